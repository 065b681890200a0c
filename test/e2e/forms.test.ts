/** One task with every form of a file mount, on local nodes and on ssh hosts: bytes compared, then nothing moves, then one edit alone. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openGcsStore } from '../../protocol/store/gcs/gcs-store.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { openS3Store } from '../../protocol/store/s3/open-s3-store.ts';
import { gateway } from '../helpers/gateway.ts';
import { type GcsServer, startGcsServer } from '../helpers/gcs-server.ts';
import { noise } from '../helpers/noise.ts';
import { cleanHost, controllerEnvironment, type TestHost, testHosts } from '../helpers/ssh-hosts.ts';
import { TowHome } from '../helpers/tow.ts';

const never = new AbortController().signal;
/** Where hosts find this machine (scripts/hosts). */
const here = '10.78.0.1';
const run = Math.random().toString(36).slice(2, 10);
const existing = `forms-${run}`;
const made = { dir: `forms-dir-${run}`, list: `forms-list-${run}` };

let hosts: readonly TestHost[];
let relays: readonly Server[];
let google: GcsServer;
let s3: ObjectStore;
let gcs: ObjectStore;
let home: TowHome;
let project = '';
let urls = { s3: '', gcs: '' };

beforeAll(async () => {
  hosts = testHosts(2);
  // What an earlier run left there would be somebody's own.
  for (const host of hosts)
    host.run(`rm -rf ${[...new Set(Object.keys(expected).map((path) => path.split('/')[0]))].join(' ')}`);
  google = await startGcsServer({});
  const toGateway = await relay(gateway.endpoint);
  const toGoogle = await relay(google.url);
  relays = [toGateway.server, toGoogle.server];
  urls = { s3: toGateway.url, gcs: toGoogle.url };
  home = new TowHome({
    AWS_ACCESS_KEY_ID: gateway.accessKeyId,
    AWS_SECRET_ACCESS_KEY: gateway.secretAccessKey,
    AWS_ENDPOINT_URL: urls.s3,
    AWS_REGION: gateway.region,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${urls.gcs}/storage/v1/`,
  });
  controllerEnvironment(home.home);
  project = join(home.home, 'project');
  for (const dir of ['.towline', '.cloudflare', '.ibm', 'project/dir/sub', 'project/more'])
    mkdirSync(join(home.home, dir), { recursive: true, mode: 0o700 });
  const write = (path: string, text: string | Buffer): void => writeFileSync(join(home.home, path), text);
  write('.towline/ssh_node_pools.yaml', `lab: {hosts: [${hosts.map(({ name }) => name).join(', ')}]}\n`);
  const { accessKeyId, secretAccessKey } = gateway;
  write(
    '.cloudflare/r2.credentials',
    `[r2]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\nendpoint_url=${urls.s3}\n`,
  );
  write(
    '.ibm/credentials.yaml',
    `access_key_id: ${accessKeyId}\nsecret_access_key: ${secretAccessKey}\nendpoint_url: ${urls.s3}\n`,
  );
  write('.vimrc', 'set number\n');
  write('project/dir/a', 'a');
  write('project/dir/sub/b', 'b');
  write('project/more/c', 'c');
  const access = gateway.access(existing);
  s3 = openS3Store(access, { connections: 8, refresh: async () => access });
  await s3.createBucket(never);
  for (const [key, bytes] of Object.entries(objects)) await s3.put(key, Buffer.from(bytes), {}, never);
  gcs = await openGcsStore({
    service: 'gcs',
    bucket: existing,
    project: 'p',
    endpoint: google.url,
    credentials: { type: 'none' },
  });
  await gcs.createBucket(never);
  await gcs.put('set/g', Buffer.from('g'), {}, never);
});
afterAll(async () => {
  for (const words of [
    ['down', 'local'],
    ['down', 'ssh'],
    ['storage', 'delete', '--all'],
  ])
    await tow(...words);
  await home.dispose();
  for (const key of Object.keys(objects)) await s3.delete(key, never);
  await s3.deleteBucket(never);
  for (const server of relays) server.close();
  await google[Symbol.asyncDispose]();
  for (const host of hosts) cleanHost(host);
});

const objects: Readonly<Record<string, string | Buffer>> = {
  'set/x': 'x',
  'set/deep/y': 'y',
  'set/large': noise(7, 9 << 20),
};

/** A door to what listens on this machine only. */
async function relay(to: string): Promise<{ readonly server: Server; readonly url: string }> {
  const { hostname, port } = new URL(to);
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, here, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, url: `http://${here}:${address.port}` };
}

/** The programs run beside this one, which serves them. */
async function tow(...args: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await home.start(project, ...args, '--json').done;
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Record<string, unknown> => JSON.parse(line));
}

async function launch(cluster: string, infra: string, mounts: readonly string[], more = '') {
  writeFileSync(
    join(project, 'task.yaml'),
    `file_mounts:\n${mounts.map((line) => `  ${line}\n`).join('')}run: 'true'\n${more}`,
  );
  const events = await tow('launch', '-c', cluster, '--infra', infra, '--num-nodes', '2', 'task.yaml');
  const last = events.at(-1);
  expect(last, JSON.stringify(events.slice(-3))).toMatchObject({
    type: 'summary',
    sync: { problems: 0, conflicts: 0 },
  });
  return Object(last?.['sync']);
}

const forms = (): readonly string[] => [
  `~/.vimrc: ~/.vimrc`,
  `~/dir: ./dir`,
  `~/prefix: s3://${existing}/set`,
  `~/object: s3://${existing}/set/x`,
  `~/google: gs://${existing}/set`,
  `~/cloudflare: r2://${existing}/set/deep`,
  `~/ibm: cos://us-south/${existing}/set/deep`,
  `~/named: {name: ${made.dir}, mode: COPY}`,
  `~/storage: {name: ${made.dir}, source: ./dir, mode: COPY}`,
  `~/list: {name: ${made.list}, source: [./dir, ./more/c], mode: COPY}`,
  `~/uri: {source: 's3://${existing}/set', mode: COPY}`,
];

const expected: Readonly<Record<string, string>> = {
  '.vimrc': 'set number\n',
  'dir/a': 'a',
  'dir/sub/b': 'b',
  'prefix/x': 'x',
  'prefix/deep/y': 'y',
  object: 'x',
  'google/g': 'g',
  'cloudflare/y': 'y',
  'ibm/y': 'y',
  'named/a': 'a',
  'named/sub/b': 'b',
  'storage/a': 'a',
  'storage/sub/b': 'b',
  'list/dir/a': 'a',
  'list/dir/sub/b': 'b',
  'list/c': 'c',
  'uri/deep/y': 'y',
};

describe.each([
  { cluster: 'local', infra: 'local' },
  { cluster: 'ssh', infra: 'ssh/lab' },
])('every form of a mount on $infra', ({ cluster, infra }) => {
  const homes = (): readonly string[] =>
    infra === 'local'
      ? [home.nodeHome(cluster, 'head'), home.nodeHome(cluster, 'worker1')]
      : hosts.map((host) => host.home);

  test('all of them at once; then nothing moves; then an edit alone', async () => {
    writeFileSync(join(project, 'dir/a'), 'a');
    for (const key of ['set/x', 'set/large']) await s3.put(key, Buffer.from(objects[key] ?? ''), {}, never);
    // A storage that is named alone is one that was made before.
    await launch(cluster, infra, [`~/storage: {name: ${made.dir}, source: ./dir, mode: COPY}`]);
    await launch(cluster, infra, forms());
    for (const at of homes()) {
      for (const [path, text] of Object.entries(expected))
        expect(readFileSync(join(at, path), 'utf8'), path).toBe(text);
      for (const path of ['prefix/large', 'uri/large'])
        expect(readFileSync(join(at, path)).equals(Buffer.from(objects['set/large'] ?? ''))).toBe(true);
    }
    expect(await launch(cluster, infra, forms())).toMatchObject({ sentBytes: 0, fetchedBytes: 0 });

    writeFileSync(join(project, 'dir/a'), 'edited here');
    await s3.put('set/x', Buffer.from('edited there'), {}, never);
    const sync = await launch(cluster, infra, forms());
    // On two nodes: of three mounts of the bucket, and of three of the storages.
    expect(sync.fetchedBytes).toBe(2 * (3 * 'edited there'.length + 3 * 'edited here'.length));
    expect(sync.sentBytes).toBeLessThan(4096);
    for (const at of homes()) {
      for (const path of ['dir/a', 'named/a', 'storage/a', 'list/dir/a'])
        expect(readFileSync(join(at, path), 'utf8'), path).toBe('edited here');
      for (const path of ['prefix/x', 'object', 'uri/x'])
        expect(readFileSync(join(at, path), 'utf8'), path).toBe('edited there');
    }
  });

  test('workers have from the head what changed, with fetch: head', async () => {
    const [text, bytes] = [`once, for ${cluster}`, noise(cluster.length, 5 << 20)];
    await s3.put('set/x', Buffer.from(text), {}, never);
    await s3.put('set/large', bytes, {}, never);
    const sync = await launch(cluster, infra, forms(), 'sync: {fetch: head}\n');
    const once = 3 * text.length + 2 * bytes.length;
    expect([sync.fetchedBytes, sync.headBytes]).toEqual([once, once]);
    for (const at of homes()) {
      for (const path of ['prefix/x', 'object', 'uri/x']) expect(readFileSync(join(at, path), 'utf8'), path).toBe(text);
      for (const path of ['prefix/large', 'uri/large']) expect(readFileSync(join(at, path)).equals(bytes)).toBe(true);
    }
  });
});
