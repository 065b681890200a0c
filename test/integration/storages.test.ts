/** Storages as a user has them, over a real S3 server; another's client is the judge of what lies there. */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { gateway } from '../helpers/gateway.ts';
import { bytesIn, hasBucket, objectsOf, s3cmd } from '../helpers/s3cmd.ts';
import { TowHome } from '../helpers/tow.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

const env = {
  AWS_ACCESS_KEY_ID: gateway.accessKeyId,
  AWS_SECRET_ACCESS_KEY: gateway.secretAccessKey,
  AWS_ENDPOINT_URL: gateway.endpoint,
  AWS_REGION: gateway.region,
};
let home: TowHome;
let project: string;
let source: string;
const buckets: string[] = [];

beforeAll(() => {
  home = new TowHome(env);
  project = join(home.home, 'project');
  source = join(project, 'data');
  mkdirSync(join(source, 'deep/er'), { recursive: true });
});
afterEach(() => {
  for (const bucket of buckets.splice(0))
    if (hasBucket(bucket)) s3cmd('rb', '--recursive', '--force', `s3://${bucket}`);
});
afterAll(async () => {
  home.run('/', 'down', 'dev');
  await home.dispose();
});

/** A name of its own; the bucket goes when the test has ended. */
function bucketName(): string {
  const name = `tow-test-${randomBytes(6).toString('hex')}`;
  buckets.push(name);
  return name;
}

function launch(storage: string, rest = '', ...args: readonly string[]) {
  writeFileSync(join(project, 't.yaml'), `file_mounts:\n  ~/mnt: ${storage}\n${rest}`);
  return home.run(project, 'launch', '-c', 'dev', '--infra', 'local', 't.yaml', ...args);
}

function onNode(): string {
  return join(home.nodeHome('dev', 'head'), 'mnt');
}

describe('a storage of a local source', () => {
  test('lies in the bucket as others read it, and on the node as it is here', () => {
    const large = randomBytes((17 << 20) + 3);
    writeFileSync(join(source, 'run.sh'), '#!/bin/sh\necho\n');
    chmodSync(join(source, 'run.sh'), 0o750);
    writeFileSync(join(source, 'deep/er/ü ~ +&?%#'), 'odd');
    writeFileSync(join(source, 'large'), large);
    writeFileSync(join(source, 'none'), '');
    utimesSync(join(source, 'none'), 1_600_000_000.5, 1_600_000_000.5);
    symlinkSync('deep/er', join(source, 'link'));
    mkdirSync(join(source, 'empty'));
    const bucket = bucketName();
    expect(launch(`{name: ${bucket}, source: data, mode: COPY}`)).toMatchObject({ code: 0 });
    const objects = objectsOf(bucket);
    expect([...objects.keys()].sort()).toEqual(
      ['deep/er/ü ~ +&?%#', 'empty/', 'large', 'link', 'none', 'run.sh'].sort(),
    );
    const md5 = createHash('md5')
      .update(readFileSync(join(source, 'run.sh')))
      .digest('hex');
    expect(objects.get('run.sh')).toEqual({ size: 15, md5 });
    expect(bytesIn(bucket, 'large').equals(large)).toBe(true);
    expect(bytesIn(bucket, 'deep/er/ü ~ +&?%#').toString()).toBe('odd');
    expect(bytesIn(bucket, 'link').toString()).toBe('deep/er');
    expect(s3cmd('info', `s3://${bucket}/run.sh`)).toContain('x-amz-meta-mode: 33256');
    const [here, there] = [readTree(source), readTree(onNode())];
    // Directories that objects imply have no times or bits in a bucket, and symlinks none on their own.
    const plain = [...here].filter(([, { kind }]) => kind === 'file');
    expect(missingOrDifferent(new Map(plain), there)).toEqual([]);
    expect([there.get('link')?.content, there.get('empty')?.kind]).toEqual(['deep/er', 'dir']);
  });

  test('what changed goes, and stays until a mirror removes it; then tow down removes the bucket', () => {
    const bucket = bucketName();
    const storage = `{name: ${bucket}, source: [data/deep, t.yaml], mode: COPY, persistent: false}`;
    writeFileSync(join(source, 'deep/a'), 'a');
    writeFileSync(join(source, 'deep/b'), 'b');
    expect(launch(storage)).toMatchObject({ code: 0 });
    s3cmd('put', join(source, 'deep/b'), `s3://${bucket}/outputs/x`);
    writeFileSync(join(source, 'deep/a'), 'changed');
    rmSync(join(source, 'deep/b'));
    const { code, stderr } = launch(storage);
    expect([code, stderr]).toEqual([0, expect.stringContaining('uploaded 1 of ')]);
    expect([...objectsOf(bucket).keys()]).toContain('deep/b');
    expect(launch(storage, 'sync: {mirror: true}\n')).toMatchObject({ code: 0 });
    const keys = [...objectsOf(bucket).keys()];
    expect([keys.includes('deep/a'), keys.includes('deep/b'), keys.includes('outputs/x')]).toEqual([true, false, true]);
    expect(readFileSync(join(onNode(), 'deep/a'), 'utf8')).toBe('changed');
    expect(home.run(project, 'storage', 'ls').stdout).toMatch(new RegExp(`${bucket} .* READY .*dev`));
    const down = home.run(project, 'down', 'dev');
    expect([down.code, down.stderr]).toEqual([0, expect.stringContaining(`deleted storage ${bucket}: `)]);
    expect(hasBucket(bucket)).toBe(false);
    expect(home.run(project, 'storage', 'ls').stdout).not.toContain(bucket);
  });

  test('kill -9 of the controller amid an upload: the next one goes on', async () => {
    const bucket = bucketName();
    const many = join(project, 'many');
    mkdirSync(many);
    for (let n = 0; n < 400; n += 1) writeFileSync(join(many, `f${n}`), randomBytes(3000));
    writeFileSync(join(project, 't.yaml'), `file_mounts:\n  ~/mnt: {name: ${bucket}, source: many, mode: COPY}\n`);
    const run = home.start(project, 'launch', '-c', 'dev', '--infra', 'local', 't.yaml');
    const state = { ended: false };
    const done = run.done.then(() => {
      state.ended = true;
    });
    while (!state.ended && (!hasBucket(bucket) || objectsOf(bucket).size === 0))
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(state.ended).toBe(false);
    process.kill(home.controllerPid(), 'SIGKILL');
    await done;
    expect(launch(`{name: ${bucket}, source: many, mode: COPY}`)).toMatchObject({ code: 0 });
    const files = [...readTree(many)].filter(([, { kind }]) => kind === 'file');
    expect(objectsOf(bucket).size).toBe(400);
    expect(missingOrDifferent(new Map(files), readTree(onNode()))).toEqual([]);
    rmSync(many, { recursive: true });
  });
});

test('a storage on this machine, without any cloud', () => {
  const large = randomBytes((9 << 20) + 1);
  writeFileSync(join(source, 'large'), large);
  const storage = '{name: here, source: data, store: local, mode: COPY, persistent: false}';
  expect(launch(storage, '', '--allow-delete')).toMatchObject({ code: 0 });
  const files = join(home.home, '.towline/buckets/here/files');
  expect(readFileSync(join(files, 'large')).equals(large)).toBe(true);
  // It is the user's to edit.
  writeFileSync(join(files, 'large'), 'edited in the bucket');
  const { code, stderr } = launch(storage);
  expect([code, stderr]).toEqual([0, expect.stringContaining('stay as they are (large)')]);
  expect(readFileSync(join(onNode(), 'large'), 'utf8')).toBe('edited in the bucket');
  expect(home.run(project, 'down', 'dev').stderr).toContain('deleted storage here: ');
  expect(existsSync(files)).toBe(false);
});

describe('a bucket that is there', () => {
  test('is used by its URI, below a prefix; by name it is refused; a source goes into it, and it is never deleted', () => {
    const bucket = bucketName();
    s3cmd('mb', `s3://${bucket}`);
    s3cmd('put', join(project, 't.yaml'), `s3://${bucket}/in/side/x`);
    expect(launch(`{source: "s3://${bucket}/in", mode: COPY}`, '', '--allow-delete')).toMatchObject({ code: 0 });
    expect([...readTree(join(onNode(), 'side')).keys()]).toEqual(['', 'x']);
    const refused = launch(`{name: ${bucket}, mode: COPY}`);
    expect([refused.code, refused.stderr]).toEqual([242, expect.stringContaining('tow did not make it')]);
    expect(refused.stderr).toContain(`source: s3://${bucket}`);
    expect(launch(`{name: ${bucket}, source: data, mode: COPY}`, '', '--allow-delete')).toMatchObject({ code: 0 });
    expect([...objectsOf(bucket).keys()]).toEqual(expect.arrayContaining(['in/side/x', 'run.sh']));
    expect(home.run(project, 'storage', 'delete', bucket)).toMatchObject({ code: 241 });
    expect(home.run(project, 'storage', 'delete', '--all')).toMatchObject({ code: 0 });
    expect(hasBucket(bucket)).toBe(true);
  });
});

describe('what cannot be is refused, and why', () => {
  test.each([
    ['{source: "s3://tow-test-no-such-bucket", mode: COPY}', 241, 'there is no such bucket'],
    ['{name: tow-test-new, mode: COPY}', 241, 'has nothing to copy'],
    ['{name: tow-test-new, source: data}', 249, 'mode: COPY'],
    ['{name: tow-test-new, source: data, mode: MOUNT_CACHED}', 249, 'mode: COPY'],
    ['{name: tow-test-new, source: data, store: gcs, mode: COPY}', 243, 'no credentials for it were found'],
  ])('%s', (storage, code, message) => {
    const ran = launch(storage);
    expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(ran.stderr).toMatch(/^hint: /m);
  });

  test('keys that may not use the bucket; another store or endpoint than it was made in', async () => {
    const bucket = bucketName();
    const storage = `{name: ${bucket}, source: data, mode: COPY}`;
    expect(launch(storage)).toMatchObject({ code: 0 });
    const other = launch(`{name: ${bucket}, source: data, store: local, mode: COPY}`);
    expect([other.code, other.stderr]).toEqual([240, expect.stringContaining('was made in s3')]);
    const moved = new URL(gateway.endpoint);
    moved.hostname = 'localhost';
    const elsewhere = launch(`{name: ${bucket}, source: data, store: {s3: "${moved.href}"}, mode: COPY}`);
    expect([elsewhere.code, elsewhere.stderr]).toEqual([240, expect.stringContaining('was made at ')]);
    const stranger = new TowHome({ ...env, AWS_SECRET_ACCESS_KEY: 'wrong' });
    try {
      writeFileSync(join(stranger.home, 't.yaml'), `file_mounts:\n  ~/mnt: {name: ${bucket}, source: ., mode: COPY}\n`);
      const ran = stranger.run(stranger.home, 'launch', '-c', 'dev', '--infra', 'local', 't.yaml');
      expect([ran.code, ran.stderr]).toEqual([243, expect.stringContaining('access is denied')]);
    } finally {
      await stranger.dispose();
    }
  });
});
