import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Where an agent keeps its things; see ARCHITECTURE.md, "Where state lives". All absolute. */
export interface AgentPaths {
  readonly home: string;
  readonly base: string;
  readonly identity: string;
  readonly lock: string;
  readonly log: string;
  readonly run: string;
  readonly jobs: string;
  readonly roots: string;
  readonly conflicts: string;
}

/** State is keyed by machine: a home may be shared by several (NFS). `machine` is from `machineKey`. */
export function agentPaths(home: string, machine: string): AgentPaths {
  const base = join(home, '.towline', 'agent', machine);
  return {
    home,
    base,
    identity: join(base, 'identity.json'),
    lock: join(base, 'lock'),
    log: join(base, 'log'),
    run: join(base, 'run'),
    jobs: join(base, 'jobs'),
    roots: join(base, 'roots'),
    conflicts: join(home, '.towline', 'conflicts', machine),
  };
}

/** A short stable key of this machine. `override` is what a local node was given, as it shares its machine with others. */
export function machineKey(override: string | undefined): string {
  return createHash('sha256')
    .update(override ?? machineId())
    .digest('hex')
    .slice(0, 12);
}

function machineId(): string {
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim();
    if (id !== '') return id;
  } catch {
    // Containers may have none.
  }
  return hostname();
}
