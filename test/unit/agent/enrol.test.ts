import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { carryOut } from '../../../agent/enrol.ts';
import { readIdentity, writeIdentity } from '../../../agent/identity.ts';
import { type AgentPaths, agentPaths, machineKey } from '../../../agent/paths.ts';
import type { NodeIdentity } from '../../../protocol/wire/enrol.ts';

let home: string;
let paths: AgentPaths;
beforeEach(() => {
  home = mkdtempSync('/tmp/tow-');
  paths = agentPaths(home, machineKey(undefined));
});
afterEach(() => rmSync(home, { recursive: true }));

function identity(keyId: string, changes: Partial<NodeIdentity> = {}): NodeIdentity {
  const base = { keyId, secret: '0'.repeat(64), controller: { id: 'c1', name: 'me@laptop' }, cluster: 'dev' };
  return { ...base, node: 'head', link: { kind: 'run-dir' }, ...changes };
}

async function enrol(wanted: NodeIdentity, takeOver = false): Promise<unknown> {
  return await carryOut({ type: 'enrol', identity: wanted, takeOver, supervise: false }, home);
}

test('an identity is written for its owner alone, and enrolling again renews it', async () => {
  await expect(enrol(identity('k1'))).resolves.toMatchObject({ status: 'enrolled', machine: machineKey(undefined) });
  expect(readIdentity(paths)).toEqual(identity('k1'));
  expect(statSync(paths.identity).mode & 0o777).toBe(0o600);
  expect(statSync(paths.base).mode & 0o777).toBe(0o700);
  await enrol(identity('k2'));
  expect(readIdentity(paths)?.keyId).toBe('k2');
  expect(readdirSync(paths.base).sort()).toEqual(['identity.json', 'run']);
});

test('another controller or cluster is refused, and changes nothing', async () => {
  await enrol(identity('k1'));
  const foreign = identity('k2', { controller: { id: 'c2', name: 'you@desktop' } });
  await expect(enrol(foreign)).rejects.toMatchObject({
    code: 'node-taken',
    message: expect.stringContaining('me@laptop'),
  });
  await expect(enrol(identity('k2', { cluster: 'other' }))).rejects.toMatchObject({ code: 'node-in-use' });
  await expect(enrol(identity('k2', { node: 'worker1' }))).rejects.toMatchObject({ code: 'node-in-use' });
  expect(readIdentity(paths)).toEqual(identity('k1'));
  await enrol(foreign, true);
  expect(readIdentity(paths)).toEqual(foreign);
});

test('an identity that cannot be read is kept, unless it is taken over', async () => {
  mkdirSync(paths.base, { recursive: true });
  writeFileSync(paths.identity, '{"half":');
  await expect(enrol(identity('k1'))).rejects.toMatchObject({ code: 'io' });
  expect(readFileSync(paths.identity, 'utf8')).toBe('{"half":');
  await enrol(identity('k1'), true);
  expect(readIdentity(paths)?.keyId).toBe('k1');
});

test('of two that enrol an empty account at once only one succeeds', () => {
  expect(writeIdentity(paths, identity('k1'), false)).toBe(true);
  expect(writeIdentity(paths, identity('k2'), false)).toBe(false);
  expect(readIdentity(paths)?.keyId).toBe('k1');
  expect(readdirSync(paths.base)).toEqual(['identity.json']);
});

test('leaving takes the identity, and with purge the state, but never what is in a root', async () => {
  await enrol(identity('k1'));
  const work = join(home, 'sky_workdir', 'model.bin');
  for (const file of [work, join(paths.conflicts, 'kept'), join(dirname(paths.base), 'builds', 'b', 'agent.mjs')]) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, 'bytes');
  }
  await expect(carryOut({ type: 'leave', keyId: 'k2', purge: true }, home)).resolves.toEqual({
    status: 'left',
    removed: false,
  });
  expect(readIdentity(paths)?.keyId).toBe('k1');
  await expect(carryOut({ type: 'leave', keyId: 'k1', purge: false }, home)).resolves.toMatchObject({ removed: true });
  expect(readIdentity(paths)).toBeUndefined();
  expect(readFileSync(join(paths.conflicts, 'kept'), 'utf8')).toBe('bytes');
  await enrol(identity('k3'));
  await carryOut({ type: 'leave', keyId: 'k3', purge: true }, home);
  expect(readdirSync(join(home, '.towline', 'agent'))).toEqual([]);
  expect(readdirSync(join(home, '.towline', 'conflicts'))).toEqual([]);
  expect(readFileSync(work, 'utf8')).toBe('bytes');
});
