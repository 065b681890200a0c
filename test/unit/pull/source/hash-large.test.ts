import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bytesOf } from '../../../../protocol/base/root-path.ts';
import { hashInParts } from '../../../../protocol/pull/source/hash-in-parts.ts';
import { hashLarge, type LargeJob } from '../../../../protocol/pull/source/hash-large.ts';
import { noise } from '../../../helpers/noise.ts';
import { SourceBench } from '../../../helpers/source-bench.ts';

const mib = 1 << 20;
const never = new AbortController().signal;
let bench: SourceBench;
let job: LargeJob;

beforeAll(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
  writeFileSync(join(bench.root, 'file'), noise(1, 40 * mib));
  job = {
    root: Buffer.from(bytesOf(bench.root)).toString('latin1'),
    path: 'file',
    size: 40 * mib,
    known: undefined,
    verify: false,
    largeFiles: undefined,
    early: undefined,
    advance: undefined,
    cancel: new Int32Array(new SharedArrayBuffer(4)),
  };
});
afterAll(async () => await bench[Symbol.asyncDispose]());

const hash = (size: number) => hashLarge(bench.pool, { ...job, size }, () => undefined, never);

test('one that has grown since it was listed is read in parts all the same', async () => {
  const right = await hash(40 * mib);
  expect(right?.statuses[0]).toMatch(/settled|fresh/);
  expect(await hash(33 * mib)).toEqual(right);
  appendFileSync(join(bench.root, 'file'), noise(2, 5 * mib));
  const longer = await hash(40 * mib);
  expect(longer).toEqual(await hash(45 * mib));
  expect(longer?.listBytes[0]).toBeGreaterThan(right?.listBytes[0] ?? 0);
});

test('one that is gone, or has become small, is left to be read as a whole', async () => {
  writeFileSync(join(bench.root, 'file'), noise(1, mib));
  expect(await hash(40 * mib)).toBeUndefined();
  expect(await hashLarge(bench.pool, { ...job, path: 'none' }, () => undefined, never)).toBeUndefined();
  const file = { root: job.root, path: 'file', known: undefined, cancel: job.cancel, trusted: true };
  expect(await hashInParts(bench.pool, file, 40 * mib, () => undefined, never)).toBeUndefined();
});
