import { readdirSync, readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { libcLoaded } from '../protocol/libc/libc.ts';
import type { NodeIdentity } from '../protocol/wire/enrol.ts';
import type { NodeInfo } from '../protocol/wire/node.ts';
import { type AgentPaths, machineKey } from './paths.ts';
import { supervisionOf } from './supervise/supervision.ts';

/** What this node says of itself. */
export function describeNode(paths: AgentPaths, identity: NodeIdentity): NodeInfo {
  return {
    hostname: hostname(),
    machineId: machineKey(identity.machine),
    home: paths.home,
    address: addressOf(identity),
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.version,
    bootId: read('/proc/sys/kernel/random/boot_id'),
    supervision: supervisionOf(paths),
    libc: libcLoaded(),
    gpus: gpuCount(),
  };
}

/** Where other nodes of the cluster may reach this one. Local nodes share an address, so theirs is the loopback one. */
export function addressOf({ link }: NodeIdentity): string {
  return link.kind === 'unix' ? '127.0.0.1' : firstAddress();
}

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}

function gpuCount(): number {
  try {
    return readdirSync('/dev').filter((name) => /^nvidia\d+$/.test(name)).length;
  } catch {
    return 0;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
