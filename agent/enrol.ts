import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { TowError, toTowError } from '../protocol/base/errors.ts';
import {
  type EnrolReply,
  type EnrolRequest,
  enrolReplyMarker,
  enrolRequestSchema,
  type NodeIdentity,
} from '../protocol/wire/enrol.ts';
import { endAgent } from './end-agent.ts';
import { readIdentity, removeIdentity, writeIdentity } from './identity.ts';
import { type AgentPaths, agentPaths, machineKey } from './paths.ts';
import { installSupervision, removeSupervision } from './supervise/supervision.ts';

const maxRequestBytes = 64 << 10;

/**
 * Begins or ends an enrolment: reads one `EnrolRequest` from `input` and writes one reply line to stdout. The secret
 * comes by stdin because argv is public. Does not start the agent, but ends one that runs under another identity.
 * Rejects only when not even a refusal can be written; the exit code is 1 after a refusal.
 */
export async function enrol(input: Readable = process.stdin): Promise<void> {
  let reply: EnrolReply;
  try {
    reply = await carryOut(v.parse(enrolRequestSchema, JSON.parse(await readAll(input))), homedir());
  } catch (error) {
    const { code, message, hint, retryable } = toTowError(error, 'enrolling');
    reply = { status: 'refused', error: { code, message, hint, causes: [], retryable } };
    process.exitCode = 1;
  }
  process.stdout.write(`${enrolReplyMarker}${JSON.stringify(reply)}\n`);
}

/** The work of `enrol` for the account whose home is `home`. */
export async function carryOut(request: EnrolRequest, home: string): Promise<EnrolReply> {
  switch (request.type) {
    case 'enrol':
      return await begin(request.identity, request.takeOver, request.supervise, home);
    case 'leave':
      return await leave(request.keyId, request.purge, home);
  }
}

async function begin(identity: NodeIdentity, takeOver: boolean, supervise: boolean, home: string): Promise<EnrolReply> {
  const machine = machineKey(identity.machine);
  const paths = agentPaths(home, machine);
  const before = takeOver ? readIdentityIfAny(paths) : readIdentity(paths);
  if (before !== undefined && !takeOver) refuseForeign(before, identity, paths);
  if (!isDeepStrictEqual(before, identity)) {
    if (!writeIdentity(paths, identity, takeOver || before !== undefined)) {
      throw new TowError('node-taken', `another controller enrolled ${paths.base} at the same moment`, {
        retryable: true,
      });
    }
    if (takeOver || before !== undefined) await endAgent(paths, new AbortController().signal);
  }
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  const { supervision, note } = supervise
    ? await installSupervision(paths, [process.execPath, bundleFile()])
    : ({ supervision: 'none', note: 'not wanted' } as const);
  return { status: 'enrolled', machine, supervision, note };
}

/** For a take-over, which also replaces an identity that cannot be read. */
function readIdentityIfAny(paths: AgentPaths): NodeIdentity | undefined {
  try {
    return readIdentity(paths);
  } catch {
    return undefined;
  }
}

/** An account on a machine belongs to one controller, and a node to one cluster. */
function refuseForeign(before: NodeIdentity, wanted: NodeIdentity, paths: AgentPaths): void {
  if (before.controller.id !== wanted.controller.id) {
    throw new TowError(
      'node-taken',
      `the account with home ${paths.home} belongs to the controller of ${before.controller.name} (its cluster ${before.cluster})`,
      { hint: 'use another account, or repeat the launch with --take-over if that controller is gone' },
    );
  }
  if (before.cluster !== wanted.cluster || before.node !== wanted.node) {
    throw new TowError(
      'node-in-use',
      `the account with home ${paths.home} is node ${before.node} of cluster ${before.cluster}`,
      { hint: `tow down ${before.cluster} frees it; --take-over takes it from that cluster` },
    );
  }
}

async function leave(keyId: string, purge: boolean, home: string): Promise<EnrolReply> {
  const paths = agentPaths(home, machineKey(undefined));
  const identity = readIdentity(paths);
  if (identity?.keyId !== keyId) return { status: 'left', removed: false };
  // First of all, so that an agent that is started again meanwhile has nothing to dial with.
  removeIdentity(paths);
  await removeSupervision(paths);
  const endedPid = await endAgent(paths, new AbortController().signal);
  if (purge) purgeState(paths);
  return { status: 'left', removed: true, ...(endedPid === undefined ? {} : { endedPid }) };
}

/** Removes what Towline keeps beside the roots; builds and runtimes only if no other machine uses this home. */
function purgeState(paths: AgentPaths): void {
  rmSync(paths.base, { recursive: true, force: true });
  rmSync(paths.conflicts, { recursive: true, force: true });
  const agent = dirname(paths.base);
  const shared = new Set(['builds', 'node']);
  if (readdirSync(agent).every((name) => shared.has(name))) {
    for (const name of shared) rmSync(join(agent, name), { recursive: true, force: true });
  }
}

function bundleFile(): string {
  return fileURLToPath(import.meta.url);
}

async function readAll(input: Readable): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of input) {
    if (!Buffer.isBuffer(part)) throw new TowError('bad-message', 'the enrolment request is not bytes');
    bytes += part.length;
    if (bytes > maxRequestBytes) {
      throw new TowError('limit-exceeded', `the enrolment request is longer than ${maxRequestBytes} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
