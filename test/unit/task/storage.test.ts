import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadTask } from '../../../controller/task/load-task.ts';
import { refuseUnbuilt, type Task } from '../../../controller/task/task.ts';
import { taskOptions } from '../../helpers/task-options.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tow-storage-'));
  for (const path of ['data', 'a/x', 'b/x']) await mkdir(join(cwd, path), { recursive: true });
  await writeFile(join(cwd, 'file'), 'x');
  await symlink('data', join(cwd, 'link'));
});
afterAll(async () => await rm(cwd, { recursive: true }));

let count = 0;
async function load(storage: string): Promise<Task> {
  count += 1;
  await writeFile(
    join(cwd, `${count}.yaml`),
    `envs: {E: env-bucket}\nsecrets: {S: secret-bucket}\nfile_mounts:\n  /mnt: ${storage}\n`,
  );
  return await loadTask(taskOptions({ entry: `${count}.yaml` }), { cwd, env: {} });
}

const plain = {
  type: 'storage',
  dest: '/mnt',
  level: 0,
  name: undefined,
  source: undefined,
  store: undefined,
  mode: 'MOUNT',
  persistent: true,
  readOnly: false,
  credentials: undefined,
  fsync: 'node',
};
const uri = { store: 's3', region: undefined, bucket: 'bucket', prefix: '' };

describe('a storage', () => {
  test.each([
    ['{name: my-bucket}', { name: 'my-bucket' }],
    ['{name: "${S}-$E", mode: copy}', { name: 'secret-bucket-env-bucket', mode: 'COPY' }],
    ['{source: s3://bucket/}', { source: { type: 'bucket', uri } }],
    [
      '{source: s3://bucket/a/b, mode: MOUNT_CACHED}',
      { source: { type: 'bucket', uri: { ...uri, prefix: 'a/b' } }, mode: 'MOUNT_CACHED' },
    ],
    [
      '{source: "s3://$S", store: S3}',
      {
        source: { type: 'bucket', uri: { ...uri, bucket: 'secret-bucket' } },
        store: { kind: 's3', endpoint: undefined },
      },
    ],
    [
      '{name: my-bucket, store: {s3: "https://minio:9000"}}',
      { name: 'my-bucket', store: { kind: 's3', endpoint: 'https://minio:9000' } },
    ],
    [
      '{name: my-bucket, persistent: no, credentials: node, fsync: bucket}',
      { name: 'my-bucket', persistent: false, credentials: 'node', fsync: 'bucket' },
    ],
    ['{name: my-bucket, config: {mount_cached: {read_only: true}}}', { name: 'my-bucket', readOnly: true }],
  ])('%s', async (text, expected) => {
    const task = await load(text);
    expect(task.fileMounts).toEqual([{ ...plain, ...expected }]);
    expect(task.warnings).toEqual([]);
    const [mount] = task.fileMounts;
    const mode = mount?.type === 'storage' ? mount.mode : '';
    if (mode === 'COPY') refuseUnbuilt(task);
    else
      expect(() => refuseUnbuilt(task)).toThrow(
        expect.objectContaining({ code: 'not-supported', hint: 'use mode: COPY until then' }),
      );
  });

  test('local sources are absolute', async () => {
    const directory = await load('{name: my-bucket, source: data}');
    expect(directory.fileMounts).toEqual([
      { ...plain, name: 'my-bucket', source: { type: 'directory', path: join(cwd, 'data') } },
    ]);
    const list = await load('{name: my-bucket, source: [data, ./file]}');
    expect(list.fileMounts).toEqual([
      { ...plain, name: 'my-bucket', source: { type: 'list', paths: [join(cwd, 'data'), join(cwd, 'file')] } },
    ]);
  });

  test('a source that is a symlink warns: what it points to is uploaded', async () => {
    const { warnings, fileMounts } = await load('{name: my-bucket, source: link}');
    expect(warnings).toEqual([
      expect.stringContaining("the source 'link' is a symlink: what it points to is uploaded"),
    ]);
    expect(fileMounts).toMatchObject([{ source: { type: 'directory', path: join(cwd, 'link') } }]);
  });

  test("what tunes the incumbent's tools warns", async () => {
    const { warnings } = await load(
      '{name: my-bucket, _force_delete: true, config: {disk_size: 1, mount_cached: {transfers: 4}}}',
    );
    expect(warnings.map((text) => text.replace(/^[^ ]* /, ''))).toEqual([
      '_force_delete does nothing here',
      'config.disk_size does nothing here',
      'config.mount_cached.transfers does nothing here',
    ]);
  });

  test.each([
    ['{}', '4:9', 'has neither name nor source'],
    ['{nmae: x}', '4:10', "the storage at /mnt has no key 'nmae'"],
    ['{source: data}', '4:9', 'has no name'],
    ['{name: s3://bucket}', '4:16', 'the name of a storage is no URI'],
    ['{name: my-bucket, source: s3://bucket}', '4:16', 'has a name and a bucket as source'],
    ['{source: s3://bucket, store: gcs}', '4:38', 'the source is a bucket of s3, the store is gcs'],
    ['{name: My_Bucket, store: s3}', '4:16', "the bucket's name has the character"],
    ['{name: my-bucket, store: azure}', '4:34', "store cannot be 'azure'"],
    ['{name: my-bucket, store: {s3: "ftp://x"}}', '4:39', 'the URL of an S3 service begins with https://'],
    ['{name: my-bucket, store: {gcs: x}}', '4:35', "store has no key 'gcs'"],
    ['{name: my-bucket, mode: MONUT}', '4:33', "mode cannot be 'MONUT'"],
    ['{name: my-bucket, persistent: maybe}', '4:39', 'persistent must be true or false, not a string'],
    ['{name: my-bucket, source: data/}', '4:35', "the source 'data/' ends with a slash"],
    ['{name: my-bucket, source: missing}', '4:35', "the source 'missing' does not exist here"],
    ['{name: my-bucket, source: file}', '4:35', "the source 'file' of a storage is a file"],
    ['{name: my-bucket, source: []}', '4:35', 'the list of sources is empty'],
    ['{name: my-bucket, source: [s3://bucket]}', '4:36', 'a list of sources has local paths only'],
    ['{name: my-bucket, source: [a/x, b/x]}', '4:41', "two sources are called 'x'"],
    ['{name: my-bucket, source: {a: b}}', '4:35', 'source must be a path, a URI or a list'],
    ['{name: gs://bucket}', '4:16', 'the name of a storage is no URI'],
    ['{name: "ab", store: s3}', '4:16', "the bucket's name has 2 characters"],
    ['{name: google-data, store: gcs}', '4:16', 'must not contain google'],
    ['{name: a--b, store: ibm}', '4:16', 'must not have two hyphens in a row'],
    ['{name: my-bucket, source: [data/]}', '4:36', "the source 'data/' ends with a slash"],
    ['{name: my-bucket, source: [missing]}', '4:36', "the source 'missing' does not exist here"],
    ['{source: [data]}', '4:9', 'has no name'],
    ['{source: "https://account.blob.core.windows.net/c"}', '4:18', 'there are no https:// buckets here'],
    ['{source: "oci://bucket"}', '4:18', 'there are no oci:// buckets here'],
    ['{source: "cos://bucket"}', '4:18', 'names no bucket'],
    ['{source: nebius://bucket}', '4:18', 'there are no nebius:// buckets here'],
  ])('%s is refused', async (text, place, message) => {
    const error: unknown = await load(text).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ message: expect.stringContaining(`.yaml:${place}: `), hint: expect.any(String) });
    expect(String(error)).toContain(message);
  });
});
