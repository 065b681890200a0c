/** `tow launch --via` over a real S3 service: three nodes, and what leaves this machine for them. */
import { randomBytes } from 'node:crypto';
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listAll } from '../../protocol/store/list-all.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { openS3Store } from '../../protocol/store/s3/open-s3-store.ts';
import { noise } from '../helpers/noise.ts';
import { TowHome } from '../helpers/tow.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

const endpoint = process.env['TOWLINE_GATEWAY'] ?? 'http://127.0.0.1:7490';
const accessKeyId = 'TOWACCESSKEY0000000';
const secretAccessKey = 'towsecretkey000000000000000000000000000';
const region = 'us-east-1';
const bucket = `via-${randomBytes(4).toString('hex')}`;
const uri = `s3://${bucket}/team/chunks`;
const nodes = ['head', 'worker1', 'worker2'] as const;
const { signal } = new AbortController();

let home: TowHome;
let project = '';
let store: ObjectStore;

beforeAll(async () => {
  home = new TowHome({
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: region,
    AWS_ENDPOINT_URL: endpoint,
  });
  project = join(home.home, 'project');
  mkdirSync(project);
  cpSync(join(process.cwd(), 'protocol'), join(project, 'code'), { recursive: true });
  writeFileSync(join(project, 'weights'), noise(1, 12 << 20));
  for (let at = 0; at < 300; at += 1) writeFileSync(join(project, `note-${at}`), `note ${at}\n`);
  const access = {
    service: 's3' as const,
    provider: 'other' as const,
    bucket,
    region,
    endpoint,
    credentials: { type: 'keys' as const, accessKeyId, secretAccessKey },
  };
  store = openS3Store(access, { connections: 8, refresh: async () => access });
  await store.createBucket(signal);
});
afterAll(async () => {
  await home.dispose();
  await store.deleteMany(await keys(''), signal);
  await store.deleteBucket(signal);
});

async function keys(part: string): Promise<string[]> {
  const found: string[] = [];
  for await (const page of listAll(store, '', signal))
    found.push(...page.map(({ key }) => key).filter((key) => key.includes(part)));
  return found;
}

const workdir = (node: string): string => join(home.nodeHome('dev', node), 'sky_workdir');

/** Launches, compares every node's bytes, and returns what the sync said. */
function launch(...more: readonly string[]) {
  const events = home.events(project, 'launch', '-c', 'dev', '--via', uri, '--workdir', '.', ...more);
  expect(events.at(-1)).toMatchObject({ type: 'summary', sync: { nodes: 3 } });
  for (const node of nodes) expect(missingOrDifferent(readTree(project), readTree(workdir(node)))).toEqual([]);
  const notes = events.filter(({ type }) => type === 'note').map(({ text }) => String(text));
  const { sync } = Object(events.at(-1));
  return {
    notes,
    sent: Number(sync.sentBytes),
    published: Number(sync.publishedBytes),
    fetched: Number(sync.fetchedBytes),
  };
}

describe('launch --via', () => {
  test('the first time: chunks leave this machine once, and reach three nodes', async () => {
    const { notes, sent, published, fetched } = launch('--infra', 'local', '--num-nodes', '3');
    expect(notes).toEqual([]);
    expect(sent).toBeLessThan(300_000);
    expect(published).toBeGreaterThan(12 << 20);
    expect(published).toBeLessThan(14 << 20);
    expect(fetched).toBeGreaterThan(3 * (12 << 20));
    expect(fetched).toBeLessThan(3 * published);
    expect((await keys('/packs/')).length).toBeGreaterThan(0);
  });

  test('again: nothing is published, nothing fetched, nothing sent', async () => {
    const before = await keys('');
    expect(launch()).toEqual({ notes: [], sent: 0, published: 0, fetched: 0 });
    expect(await keys('')).toEqual(before);
  });

  test('an edit: little is published and little fetched; a line of text goes along with the news of it', async () => {
    appendFileSync(join(project, 'note-7'), 'another line\n');
    const line = launch();
    expect(line.published).toBeLessThan(3000);
    expect([line.fetched, line.sent < 5000]).toEqual([0, true]);
    const weights = readFileSync(join(project, 'weights'));
    writeFileSync(
      join(project, 'weights'),
      Buffer.concat([weights.subarray(0, 1 << 20), noise(2, 200_000), weights.subarray(1 << 20)]),
    );
    const { published, fetched, sent } = launch();
    expect(published).toBeGreaterThan(200_000);
    expect(published).toBeLessThan(400_000);
    expect(fetched).toBeGreaterThan(600_000);
    expect(fetched).toBeLessThan(1_200_000);
    expect(sent).toBeLessThan(200_000);
  });

  test('a pack that somebody deleted: its chunks come from here, with a warning, and are there again the next time', async () => {
    const lost = await keys('/packs/');
    await store.deleteMany(lost, signal);
    rmSync(join(workdir('worker2'), 'weights'));
    const hurt = launch();
    expect(hurt.notes).toEqual([
      expect.stringMatching(/^worker2: workdir: \d+ bytes came from this machine and not from s3:/),
    ]);
    expect(hurt.sent).toBeGreaterThan(1 << 20);
    const mended = launch();
    expect(mended.notes).toEqual([]);
    expect(mended.published).toBeGreaterThan(1 << 20);
    rmSync(join(workdir('worker1'), 'weights'));
    const healed = launch();
    expect([healed.notes, healed.sent, healed.published]).toEqual([[], 0, 0]);
    expect(healed.fetched).toBeGreaterThan(12 << 20);
  });

  test('tow storage gc leaves what was used today', async () => {
    const { code, stderr } = home.run(project, 'storage', 'gc', uri, '--days', '1');
    expect([code, stderr]).toEqual([0, expect.stringContaining('0 packs and 0 snapshots removed')]);
    rmSync(join(workdir('head'), 'weights'));
    const after = launch();
    expect([after.notes, after.published]).toEqual([[], 0]);
  });

  test('a bucket that is not there, and what is no bucket, are told before anything is sent', () => {
    const missing = home.run(project, 'launch', '-c', 'dev', '--workdir', code(), '--via', `s3://${bucket}-none/x`);
    expect([missing.code, missing.stderr]).toEqual([241, expect.stringContaining('bucket')]);
    expect(home.run(project, 'launch', '-c', 'dev', '--workdir', '.', '--via', 'somewhere').code).toBe(240);
    expect(home.run(project, 'storage', 'gc', uri, '--days', '0').code).toBe(240);
  });
});

/** A source that was never published. */
function code(): string {
  const other = join(home.home, 'other');
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, 'file'), 'text');
  return other;
}
