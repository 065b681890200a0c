/** Buckets as file mounts of two local nodes, through the built programs, from a real S3 server. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openS3Store } from '../../protocol/store/s3/open-s3-store.ts';
import { FaultProxy, type Seen } from '../helpers/fault-proxy.ts';
import { gateway } from '../helpers/gateway.ts';
import { type Ran, TowHome } from '../helpers/tow.ts';

const { signal } = new AbortController();
const bucket = `flt-e2e-${randomBytes(4).toString('hex')}`;
const store = openS3Store(gateway.access(bucket), {
  connections: 8,
  refresh: () => Promise.resolve(gateway.access(bucket)),
});
const large = randomBytes(20 << 20);
const objects: Readonly<Record<string, string | Buffer>> = {
  'set/a': 'a',
  'set/b/c': 'c',
  'set/large': large,
  'one/object': 'one',
  'inner/x': 'x',
  'elsewhere/y': 'y',
};

let home: TowHome;
let proxy: FaultProxy;
let project = '';
/** All that the programs said. */
const said: string[] = [];
/** Command lines of all that runs in this home, looked at again and again. */
const commandLines = new Set<string>();

beforeAll(async () => {
  await store.createBucket(signal);
  for (const [key, bytes] of Object.entries(objects)) await store.put(key, Buffer.from(bytes), {}, signal);
  proxy = await FaultProxy.start(gateway.endpoint);
  home = new TowHome({ AWS_ENDPOINT_URL: proxy.endpoint, AWS_REGION: gateway.region });
  mkdirSync(join(home.home, '.aws'));
  writeFileSync(
    join(home.home, '.aws/credentials'),
    `[default]\naws_access_key_id = ${gateway.accessKeyId}\naws_secret_access_key = ${gateway.secretAccessKey}\n`,
  );
  project = join(home.home, 'project');
  mkdirSync(join(project, 'local'), { recursive: true });
  writeFileSync(join(project, 'local/mine'), 'mine');
  writeFileSync(
    join(project, 'task.yaml'),
    [
      'num_nodes: 2',
      'file_mounts:',
      `  ~/data: s3://${bucket}/set`,
      `  ~/one.bin: s3://${bucket}/one/object`,
      '  ~/data/local: ./local',
      '  ~/local: ./local',
      `  ~/local/inner: s3://${bucket}/inner`,
      'run: cat ~/data/a ~/data/b/c ~/one.bin ~/data/local/mine ~/local/mine ~/local/inner/x; env',
      '',
    ].join('\n'),
  );
});
afterAll(async () => {
  await home.dispose();
  await proxy.stop();
  await store.deleteMany(Object.keys(objects), signal);
  await store.deleteBucket(signal);
});

async function launch(...args: readonly string[]): Promise<Ran> {
  proxy.seen.splice(0);
  const { done } = home.start(project, 'launch', '-c', 'dev', '--infra', 'local', 'task.yaml', ...args);
  const state = { over: false };
  const ended = done.finally(() => {
    state.over = true;
  });
  while (!state.over) {
    for (const pid of readdirSync('/proc'))
      if (textOf(`/proc/${pid}/environ`).includes(home.home)) commandLines.add(textOf(`/proc/${pid}/cmdline`));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const ran = await ended;
  said.push(ran.stdout, ran.stderr);
  return ran;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

const keysFetched = (): string[] =>
  proxy.seen
    .filter(({ method, isList }: Seen) => method === 'GET' && !isList)
    .map(({ url }) => url.replace(`/${bucket}/`, ''))
    .sort();

const onNodes = (path: string): Buffer[] =>
  ['head', 'worker1'].map((node) => readFileSync(join(home.nodeHome('dev', node), path)));

test('a prefix, an object, and mounts inside mounts are on every node before the job starts', async () => {
  const { code, stdout, stderr } = await launch();
  expect([code, stderr]).toEqual([0, expect.stringContaining('synced')]);
  expect(stdout.match(/aconeminemine/g)?.length ?? 0, stdout).toBe(2);
  for (const bytes of onNodes('data/large')) expect(bytes.equals(large)).toBe(true);
  expect(stderr).not.toContain('warning');
});

test('the next launch fetches nothing, and touches nothing', async () => {
  const before = statSync(join(home.nodeHome('dev', 'head'), 'data/large'));
  const { code } = await launch('--json');
  expect([code, keysFetched()]).toEqual([0, []]);
  expect(statSync(join(home.nodeHome('dev', 'head'), 'data/large')).ctimeMs).toBe(before.ctimeMs);
});

test('one object that changed is all that is fetched, once a node', async () => {
  await store.put('set/b/c', Buffer.from('changed'), {}, signal);
  const { code } = await launch();
  expect([code, keysFetched()]).toEqual([0, ['set/b/c', 'set/b/c']]);
  for (const bytes of onNodes('data/b/c')) expect(bytes.toString()).toBe('changed');
});

test("what somebody made on a node is kept when the bucket's takes its place, and said", async () => {
  writeFileSync(join(home.nodeHome('dev', 'worker1'), 'data/a'), 'theirs');
  writeFileSync(join(home.nodeHome('dev', 'worker1'), 'data/output'), 'output');
  const { stderr } = await launch();
  expect(stderr).toContain('changed on the node and replaced');
  expect(onNodes('data/a').map(String)).toEqual(['a', 'a']);
  expect(readFileSync(join(home.nodeHome('dev', 'worker1'), 'data/output'), 'utf8')).toBe('output');
});

test('with fetch: head the bucket is asked for each object once, and the worker has it from the head', async () => {
  const lines = [
    'num_nodes: 2',
    'file_mounts:',
    `  ~/again: s3://${bucket}/set`,
    'sync: {fetch: head}',
    'run: cat ~/again/a',
  ];
  writeFileSync(join(project, 'head.yaml'), `${lines.join('\n')}\n`);
  proxy.seen.splice(0);
  const { code, stderr } = await home.start(project, 'launch', '-c', 'dev', 'head.yaml').done;
  said.push(stderr);
  expect([code, stderr]).toEqual([0, expect.stringContaining('MiB from buckets, 20.0 MiB from the head')]);
  expect(new Set(keysFetched())).toEqual(new Set(['set/a', 'set/b/c', 'set/large']));
  expect(keysFetched().filter((key) => key !== 'set/large')).toEqual(['set/a', 'set/b/c']);
  for (const bytes of onNodes('again/large')) expect(bytes.equals(large)).toBe(true);
});

test('a bucket that is not there, and access that is refused, are errors before the job', async () => {
  writeFileSync(join(project, 'missing.yaml'), `file_mounts:\n  ~/m: s3://${bucket}-not/x\nrun: echo ran\n`);
  const { done } = home.start(project, 'launch', '-c', 'dev', 'missing.yaml', '--json');
  const { code, stdout } = await done;
  said.push(stdout);
  expect(code).not.toBe(0);
  expect(stdout).toContain('"bucket-missing"');
  expect(stdout).not.toContain('ran');
});

test('the secret is in no output, no command line, no environment, and in no file but the one that it came from', () => {
  const secret = gateway.secretAccessKey;
  expect(said.join('\n')).not.toContain(secret);
  expect([...commandLines].filter((line) => line.includes(secret))).toEqual([]);
  expect(commandLines.size).toBeGreaterThan(5);
  for (const pid of [...home.agentPids(), ...home.runnerPids(), ...home.controllerPids()])
    expect(textOf(`/proc/${pid}/environ`)).not.toContain(secret);
  const files = readdirSync(home.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(20);
  const found = files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => textOf(path).includes(secret));
  expect(found).toEqual([join(home.home, '.aws/credentials')]);
});
