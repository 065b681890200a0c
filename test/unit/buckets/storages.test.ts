import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chooseStore } from '../../../controller/buckets/storage/choose-store.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { StorageBench } from '../../helpers/storage-bench.ts';

const named = { name: 'data-1' };

describe('a storage is made and filled', () => {
  test('once; it is on record, privately, with who uses it', async () => {
    using bench = new StorageBench();
    await bench.use();
    expect(bench.bucket('data-1').text('a')).toBe('a');
    expect(bench.notes).toEqual(['made bucket local://data-1', 'uploaded 1 of 1 files (1 B) to local://data-1']);
    const path = join(bench.directory, 'data-1.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      name: 'data-1',
      store: 'local',
      made: true,
      state: 'READY',
      persistent: true,
      clusters: ['dev'],
      uploaded: { objects: 1, bytes: 1 },
    });
    bench.restart();
    await bench.use({}, { cluster: 'other' });
    expect(
      bench
        .bucket('data-1')
        .calls.flatMap(({ method, text }) => (method === 'create' || method === 'put' ? [text] : [])),
    ).toEqual(['create ', 'put a']);
    expect(await bench.storages.list()).toMatchObject([{ name: 'data-1', clusters: ['dev', 'other'] }]);
    // Without a source it is used as it is.
    expect(await bench.open(named)).toMatchObject({ shown: 'local://data-1', prefix: '', mayBeEmpty: true });
  });

  test('large files, too, reach a bucket that this process has open', async () => {
    using bench = new StorageBench();
    const large = Buffer.alloc(17 << 20, 'x');
    writeFileSync(join(bench.source, 'large'), large);
    await bench.use();
    expect(bench.bucket('data-1').objects.get('large')?.bytes.equals(large)).toBe(true);
  });

  test('two at once take turns', async () => {
    using bench = new StorageBench();
    await Promise.all([bench.use(), bench.use({}, { cluster: 'other' })]);
    expect(bench.bucket('data-1').count('create')).toBe(1);
    const [listed] = await bench.storages.list();
    expect([...(listed?.clusters ?? [])].sort()).toEqual(['dev', 'other']);
  });

  test('no store is named: local, when there is no cloud; that is fixed then', async () => {
    using bench = new StorageBench();
    await bench.use({ store: undefined });
    Object.assign(bench.env, { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' });
    await bench.use({ store: undefined });
    expect(await bench.storages.list()).toMatchObject([{ store: 'local' }]);
  });

  test('no store is named: the first cloud that credentials are found for', async () => {
    using bench = new StorageBench();
    const choice = async (): Promise<string> => await chooseStore(bench.request, new AbortController().signal);
    expect(await choice()).toBe('local');
    mkdirSync(join(bench.home, '.ibm'));
    writeFileSync(join(bench.home, '.ibm/credentials.yaml'), 'access_key_id: a\nsecret_access_key: b\n');
    expect(await choice()).toBe('ibm');
    mkdirSync(join(bench.home, '.cloudflare'));
    writeFileSync(join(bench.home, '.cloudflare/r2.credentials'), '[r2]\n');
    expect(await choice()).toBe('r2');
    mkdirSync(join(bench.home, '.aws'));
    writeFileSync(
      join(bench.home, '.aws/credentials'),
      '[default]\naws_access_key_id = a\naws_secret_access_key = b\n',
    );
    expect(await choice()).toBe('s3');
  });

  test('an upload that fails is on record, and goes on the next time', async () => {
    using bench = new StorageBench();
    bench.bucket('data-1').before = ({ text: call }) => {
      if (call === 'put a') throw new TowError('store-failed', 'no');
    };
    await expect(bench.use()).rejects.toMatchObject({ code: 'store-failed' });
    expect(await bench.storages.list()).toMatchObject([{ state: 'UPLOAD_FAILED' }]);
    bench.bucket('data-1').before = () => undefined;
    await bench.use();
    expect(await bench.storages.list()).toMatchObject([{ state: 'READY' }]);
  });

  test('what cannot be read is refused, or left out when told', async () => {
    using bench = new StorageBench();
    writeFileSync(join(bench.source, 'b\nc'), 'x');
    await expect(bench.use()).rejects.toMatchObject({
      code: 'partial-source',
      message: expect.stringContaining('1 of'),
    });
    expect(await bench.storages.list()).toMatchObject([{ state: 'UPLOAD_FAILED' }]);
    await bench.use({}, { allowPartial: true });
    expect(bench.notes).toContainEqual(expect.stringContaining('not uploaded: '));
  });

  test('cancelled, it lets go and can be repeated', async () => {
    using bench = new StorageBench();
    const abort = new AbortController();
    bench.bucket('data-1').before = async ({ text: call }) => {
      if (call !== 'put a') return;
      abort.abort(new TowError('cancelled', 'cancelled'));
      await new Promise((resolve) => setTimeout(resolve, 60));
    };
    await expect(bench.use({}, {}, abort.signal)).rejects.toMatchObject({ code: 'cancelled' });
    bench.bucket('data-1').before = () => undefined;
    await bench.use();
    expect(bench.bucket('data-1').text('a')).toBe('a');
  });

  test('a bucket that somebody deleted is made again for a source, and missed without one', async () => {
    using bench = new StorageBench();
    await bench.use();
    bench.buckets.delete('data-1');
    await expect(bench.use({ source: undefined })).rejects.toMatchObject({ code: 'bucket-missing' });
    await bench.use();
    expect(bench.notes).toContainEqual(expect.stringContaining('it is made again'));
    expect(bench.bucket('data-1').text('a')).toBe('a');
  });

  test.each([
    [true, true],
    [false, false],
  ])('one that was being made when the controller died is ours if it is empty: %s', async (empty, made) => {
    using bench = new StorageBench();
    await bench.use();
    const path = join(bench.directory, 'data-1.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"READY"', '"INIT"'));
    bench.bucket('data-1').objects.clear();
    if (!empty) bench.bucket('data-1').set('b', 'theirs');
    await bench.use();
    expect((await bench.storages.list()).length).toBe(made ? 1 : 0);
  });
});

describe('a bucket that Towline did not make', () => {
  test('is uploaded to when there is a source, and never listed or deleted', async () => {
    using bench = new StorageBench();
    bench.bucket('data-1').exists = true;
    bench.bucket('data-1').set('theirs', 'x');
    await bench.use({ persistent: false });
    expect(bench.notes).toContainEqual(expect.stringContaining('tow did not make'));
    expect([...bench.bucket('data-1').objects.keys()].sort()).toEqual(['a', 'theirs']);
    expect(await bench.storages.list()).toEqual([]);
    await expect(bench.delete('data-1')).rejects.toMatchObject({ code: 'unknown-storage' });
    expect(await bench.down('dev')).toEqual([]);
    expect(bench.bucket('data-1')).toMatchObject({ exists: true });
  });

  test.each(['COPY', 'MOUNT'] as const)('is refused by name alone, mode %s', async (mode) => {
    using bench = new StorageBench();
    bench.bucket('data-1').exists = true;
    await expect(bench.open({ ...named, mode })).rejects.toMatchObject({
      code: 'bucket-taken',
      message: 'local://data-1: there is such a bucket, and tow did not make it',
    });
  });
});

describe('what does not fit', () => {
  test('COPY of a new storage without a source', async () => {
    using bench = new StorageBench();
    await expect(bench.open(named)).rejects.toMatchObject({
      code: 'bucket-missing',
      message: 'storage data-1 is new, and mode COPY has nothing to copy from it',
    });
    // MOUNT makes an empty one.
    const mounted = await bench.open({ ...named, mode: 'MOUNT' });
    expect(mounted.shown).toBe('local://data-1');
  });

  test('another store than it was made in', async () => {
    using bench = new StorageBench();
    await bench.use();
    await expect(bench.open({ ...named, store: { kind: 'gcs', endpoint: undefined } })).rejects.toMatchObject({
      code: 'storage-mismatch',
      message: 'storage data-1 was made in local, and gcs is asked for',
    });
  });

  test('a store whose cloud has no credentials here', async () => {
    using bench = new StorageBench();
    const source = { type: 'directory' as const, path: bench.source };
    await expect(bench.open({ ...named, source, store: { kind: 's3', endpoint: undefined } })).rejects.toMatchObject({
      code: 'credentials-missing',
      message: 'storage data-1 is to be in s3, and no credentials for it were found',
    });
    await expect(bench.open({ ...named, source, store: { kind: 'r2', endpoint: undefined } })).rejects.toMatchObject({
      code: 'credentials-missing',
    });
  });

  test('a record that cannot be understood is not overwritten', async () => {
    using bench = new StorageBench();
    await bench.use();
    writeFileSync(join(bench.directory, 'data-1.json'), '{');
    await expect(bench.use()).rejects.toMatchObject({ code: 'io', message: expect.stringContaining('data-1.json') });
    await expect(bench.storages.list()).rejects.toMatchObject({ code: 'io' });
  });
});

describe('deleting', () => {
  test('by name: objects, whoever wrote them, then the bucket, then the record', async () => {
    using bench = new StorageBench();
    await bench.use();
    for (let n = 0; n < 5; n += 1) bench.bucket('data-1').set(`out/${n}`, 'x');
    expect(await bench.delete('data-1')).toBe(6);
    expect(bench.bucket('data-1')).toMatchObject({ exists: false });
    expect(readdirSync(bench.directory)).toEqual([]);
    await expect(bench.delete('data-1')).rejects.toMatchObject({ code: 'unknown-storage' });
    await expect(bench.delete('../data-1')).rejects.toMatchObject({ code: 'unknown-storage' });
  });

  test('one whose bucket is gone is forgotten', async () => {
    using bench = new StorageBench();
    await bench.use();
    bench.buckets.delete('data-1');
    expect(await bench.delete('data-1')).toBe(0);
    expect(await bench.storages.list()).toEqual([]);
  });

  test('one that was being made when the controller died, and has something in it, is forgotten and stays', async () => {
    using bench = new StorageBench();
    await bench.use();
    const path = join(bench.directory, 'data-1.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"READY"', '"INIT"'));
    expect(await bench.delete('data-1')).toBe(0);
    expect(bench.bucket('data-1').text('a')).toBe('a');
    expect(await bench.storages.list()).toEqual([]);
  });

  test('with the last cluster, when it is not persistent', async () => {
    using bench = new StorageBench();
    await bench.use({ persistent: false });
    await bench.use({ persistent: false }, { cluster: 'other' });
    await bench.use({ name: 'data-2' });
    expect(await bench.down('dev', ['other'])).toEqual([]);
    expect(bench.bucket('data-1').exists).toBe(true);
    expect(await bench.down('other', [])).toEqual(['data-1: 1']);
    expect([bench.bucket('data-1').exists, bench.bucket('data-2').exists]).toEqual([false, true]);
  });

  test('a cluster that is there no more does not keep it; a task that wants it to stay does', async () => {
    using bench = new StorageBench();
    await bench.use({ persistent: false }, { cluster: 'lost' });
    await bench.use({ persistent: false });
    await bench.use({ name: 'data-2', persistent: false });
    await bench.use({ name: 'data-2' });
    expect(await bench.down('dev')).toEqual(['data-1: 1']);
    expect(bench.bucket('data-2').exists).toBe(true);
  });

  test('one that cannot be deleted stays on record', async () => {
    using bench = new StorageBench();
    await bench.use({ persistent: false });
    bench.bucket('data-1').before = () => {
      throw new TowError('store-forbidden', 'no');
    };
    expect(await bench.down('dev')).toEqual(['data-1 stays']);
    expect(await bench.storages.list()).toMatchObject([{ name: 'data-1', clusters: [] }]);
    rmSync(bench.directory, { recursive: true });
    expect(await bench.storages.list()).toEqual([]);
  });
});
