/** One copy, case by case. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checksumHash } from '../../../agent/copy/checksum-hash.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import type { ChecksumAlgorithm } from '../../../protocol/store/checksum.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { CopyBench } from '../../helpers/copy-bench.ts';
import { MemoryStore } from '../../helpers/memory-store.ts';
import { noise } from '../../helpers/noise.ts';
import { readTree } from '../../helpers/tree.ts';

let bench: CopyBench;
let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
  bench = new CopyBench(store);
});
afterEach(() => bench[Symbol.dispose]());

const text = (path: string): string => readFileSync(bench.at(path), 'utf8');
const gets = (): string[] => store.calls.filter(({ method }) => method === 'get').map(({ key }) => key);
const forbidden = (): TowError => new TowError('store-forbidden', 'access is denied');

describe('what a prefix is', () => {
  test('objects below it, not those that begin alike', async () => {
    for (const key of ['p/a', 'p/b/c', 'pq', 'p-', 'o']) store.set(key, key);
    expect((await bench.run({ prefix: 'p' })).files).toBe(2);
    expect([text('a'), text('b/c')]).toEqual(['p/a', 'p/b/c']);
  });

  test('one object is a file', async () => {
    store.set('p/a', 'one');
    await bench.run({ prefix: 'p/a' });
    expect(readFileSync(bench.data, 'utf8')).toBe('one');
    store.calls.splice(0);
    expect((await bench.run({ prefix: 'p/a' })).placed).toBe(0);
    expect(gets()).toEqual([]);
  });

  test('an object beside others of its name is left out, and said', async () => {
    store.set('p', 'one');
    store.set('p/a', 'two');
    expect((await bench.run({ prefix: 'p' })).problems.map(({ code }) => code)).toEqual(['unsafe-key']);
    expect(text('a')).toBe('two');
  });

  test('nothing is an error that changes nothing, unless it may be empty', async () => {
    store.set('other', 'x');
    expect(await codeOf(bench.run({ prefix: 'p' }))).toBe('object-missing');
    expect(existsSync(bench.data)).toBe(false);
    await bench.run({ prefix: 'p', mayBeEmpty: true });
    expect(readdirSync(bench.data)).toEqual([]);
  });

  test('the marker of a directory alone is an empty directory', async () => {
    store.set('p/', '');
    await bench.run({ prefix: 'p' });
    expect(readdirSync(bench.data)).toEqual([]);
  });

  test('a file that becomes a directory, and back', async () => {
    store.set('p', 'one');
    await bench.run({ prefix: 'p' });
    store.remove('p');
    store.set('p/a/b', 'two');
    expect((await bench.run({ prefix: 'p' })).conflicts).toEqual([]);
    expect(text('a/b')).toBe('two');
    store.remove('p/a/b');
    store.set('p', 'three');
    expect((await bench.run({ prefix: 'p' })).conflicts).toEqual([]);
    expect(readFileSync(bench.data, 'utf8')).toBe('three');
  });

  test("a person's file where a directory is to be is refused, and stays", async () => {
    store.set('a', 'x');
    writeFileSync(bench.data, 'theirs');
    expect(await codeOf(bench.run())).toBe('mount-destination-refused');
    expect(readFileSync(bench.data, 'utf8')).toBe('theirs');
  });
});

describe('directories by metadata', () => {
  test('are made, are not fetched again, and go with their object', async () => {
    store.set('d', '', { contentType: 'application/x-directory' });
    store.set('e', 'x');
    await bench.run();
    expect(lstatSync(bench.at('d')).isDirectory()).toBe(true);
    store.calls.splice(0);
    await bench.run();
    expect([gets(), lstatSync(bench.at('d')).isDirectory()]).toEqual([[], true]);
    store.remove('d');
    await bench.run();
    expect(readdirSync(bench.data)).toEqual(['e']);
  });

  test('an empty directory that is all that changed is remembered as ours', async () => {
    store.set('a', 'x');
    await bench.run();
    store.set('d/', '');
    await bench.run();
    store.remove('d/');
    await bench.run();
    expect(readdirSync(bench.data)).toEqual(['a']);
  });
});

describe('what objects are as files', () => {
  test('symlinks, whose text is not followed', async () => {
    store.set('l', '../outside', { metadata: { mode: '41471', mtime: '1600000000.5' } });
    writeFileSync(join(bench.home, 'outside'), 'theirs');
    await bench.run();
    expect(readlinkSync(bench.at('l'))).toBe('../outside');
    expect(lstatSync(bench.at('l')).mtimeMs).toBe(1_600_000_000_500);
    store.set('l', 'a file', {});
    await bench.run();
    expect([text('l'), readFileSync(join(bench.home, 'outside'), 'utf8')]).toEqual(['a file', 'theirs']);
  });

  test('pipes and symlinks to nothing are problems', async () => {
    store.set('pipe', '', { metadata: { mode: '4516' } });
    store.set('link', '', { metadata: { mode: '41471' } });
    store.set('a', 'x');
    const { problems } = await bench.run();
    expect(problems.map(({ path, code }) => `${path} ${code}`).sort()).toEqual([
      'link object-corrupt',
      'pipe not-supported',
    ]);
    expect(text('a')).toBe('x');
  });
});

describe('a bucket that changes meanwhile', () => {
  test('an object that is replaced, grows large or goes away between listing and asking', async () => {
    for (const key of ['a', 'b', 'c']) store.set(key, 'old');
    let changed = false;
    store.before = ({ method }) => {
      if (method !== 'get' || changed) return;
      changed = true;
      store.set('a', 'new');
      store.set('b', Buffer.alloc(3 << 20, 'b'));
      store.remove('c');
    };
    const { problems, files } = await bench.run();
    expect([problems, files, text('a'), text('b').length, existsSync(bench.at('c'))]).toEqual([
      [],
      2,
      'new',
      3 << 20,
      false,
    ]);
  });

  test('an old listing is found out by what is asked for', async () => {
    store.set('a', 'old');
    store.set('gone', 'x');
    const { signal } = new AbortController();
    const old = await store.list({ prefix: '' }, signal);
    store.set('a', 'newer');
    store.remove('gone');
    store.listing = () => old;
    const { problems } = await bench.run();
    expect([problems, text('a'), readdirSync(bench.data)]).toEqual([[], 'newer', ['a']]);
  });

  test('an object that never stands still is a problem, and what was there stays', async () => {
    store.set('a', 'first');
    await bench.run();
    store.set('a', 'x');
    let n = 0;
    store.before = ({ method }) => {
      if (method === 'get') store.set('a', `${(n += 1)}`);
    };
    expect((await bench.run()).problems.map(({ code }) => code)).toEqual(['object-changed']);
    expect(text('a')).toBe('first');
  });

  test('a listing of another size than the object has is not believed', async () => {
    const { version, key, modifiedMs } = store.set('a', 'right');
    for (const size of [0, 4, 6, 5 << 20]) {
      store.listing = () => ({ objects: [{ key, version, modifiedMs, size }], prefixes: [], next: undefined });
      const { problems } = await bench.run();
      expect([problems, text('a')]).toEqual([[], 'right']);
      rmSync(bench.at('a'));
    }
  });
});

describe('access', () => {
  test('one object that may not be read is a problem, the others come', async () => {
    for (const key of ['a', 'b', 'c']) store.set(key, key);
    store.before = ({ method, key }) => {
      if (method === 'get' && key === 'b') throw forbidden();
    };
    expect((await bench.run()).problems.map(({ path, code }) => [path, code])).toEqual([['b', 'store-forbidden']]);
    expect(readdirSync(bench.data)).toEqual(['a', 'c']);
  });

  test('when none may be read it is an error', async () => {
    for (const key of ['a', 'b', 'c']) store.set(key, key);
    store.before = ({ method }) => {
      if (method === 'get') throw forbidden();
    };
    expect(await codeOf(bench.run())).toBe('store-forbidden');
  });

  test('credentials that end stop it, and what came is used by the next run', async () => {
    for (let n = 0; n < 100; n += 1) store.set(`${n}`, `${n}`);
    let n = 0;
    store.before = ({ method }) => {
      if (method === 'get' && (n += 1) > 50) throw new TowError('credentials-expired', 'ended');
    };
    expect(await codeOf(bench.run())).toBe('credentials-expired');
    store.before = () => undefined;
    store.calls.splice(0);
    expect((await bench.run()).files).toBe(100);
    expect(gets().length).toBeLessThanOrEqual(100 - 50 + 32);
  });

  test('bytes that have not the MD5 that the service says are asked for again, and never placed', async () => {
    store.set('a', 'right');
    const wrong = new MemoryStore();
    wrong.set('a', 'wrong');
    let corrupt = 2;
    const get = store.get.bind(store);
    store.get = async (key, options, signal) => {
      const body = await get(key, options, signal);
      if (corrupt === 0) return body;
      corrupt -= 1;
      return { head: body.head, bytes: (await wrong.get('a', {}, signal)).bytes };
    };
    expect((await bench.run()).problems).toEqual([]);
    expect(text('a')).toBe('right');
    store.set('a', 'newer');
    corrupt = Number.POSITIVE_INFINITY;
    expect((await bench.run()).problems.map(({ code }) => code)).toEqual(['object-corrupt']);
    expect(text('a')).toBe('right');
  });
});

describe('an object in parts, which has no MD5, is checked by the sum that the service gives', () => {
  const large = noise(1, 20 << 20);
  const small = noise(2, 70_000);
  const wrong = (bytes: Buffer, at: number): Buffer => {
    const other = Buffer.from(bytes);
    other.writeUInt8((other[at] ?? 0) ^ 1, at);
    return other;
  };
  /** Every `at`th byte that lies in what is asked for is changed on its way, so many times. */
  function damageOnTheWay(times: number, at: number): void {
    const get = store.get.bind(store);
    let left = times;
    store.get = async (key, options, signal) => {
      const { head: said, bytes } = await get(key, options, signal);
      const start = options.range?.start ?? 0;
      const whole: Uint8Array[] = [];
      for await (const chunk of bytes) whole.push(chunk);
      const content = Buffer.concat(whole);
      const hit = at >= start && at < start + content.length && left > 0;
      if (hit) left -= 1;
      return { head: said, bytes: Readable.from([hit ? wrong(content, at - start) : content]) };
    };
  }
  async function set(key: string, bytes: Buffer, algorithm: ChecksumAlgorithm): Promise<void> {
    const hash = await checksumHash(algorithm);
    hash.update(bytes);
    store.set(key, bytes, { parts: true, checksum: { algorithm, hex: hash.digest() } });
  }

  describe.each([
    ['with each answer', true],
    ['but not with a range', false],
  ])('%s', (_, sumsWithRanges) => {
    test.each(['crc64nvme', 'crc32c', 'crc32', 'sha256', 'sha1'] as const)('%s', async (algorithm) => {
      store.sumsWithRanges = sumsWithRanges;
      await set('large', large, algorithm);
      await set('small', small, algorithm);
      damageOnTheWay(1, 9 << 20);
      damageOnTheWay(1, 60_000);
      expect((await bench.run()).problems).toEqual([]);
      expect(readFileSync(bench.at('large')).equals(large)).toBe(true);
      expect(readFileSync(bench.at('small')).equals(small)).toBe(true);
      expect(gets().filter((key) => key === 'small')).toHaveLength(2);
      expect(gets().filter((key) => key === 'large')).toHaveLength(6);
    });

    test('bytes that are never right are a problem, and never placed', async () => {
      store.sumsWithRanges = sumsWithRanges;
      await set('large', large, 'crc64nvme');
      await set('small', small, 'crc32c');
      damageOnTheWay(Number.POSITIVE_INFINITY, 60_000);
      const { problems } = await bench.run();
      expect(problems.map(({ path, code }) => `${path} ${code}`).sort()).toEqual([
        'large object-corrupt',
        'small object-corrupt',
      ]);
      expect(problems.map(({ message }) => message).join()).toMatch(/CRC64NVME [0-9a-f]{16}, the service says/);
      expect(readdirSync(bench.data)).toEqual([]);
    });

    test('what an earlier run had is checked too', async () => {
      store.sumsWithRanges = sumsWithRanges;
      await set('large', large, 'crc64nvme');
      damageOnTheWay(1, 100);
      const ended = new TowError('credentials-expired', 'they have ended');
      store.before = ({ method, start }) => {
        if (method === 'get' && start === 16 << 20) throw ended;
      };
      expect(await codeOf(bench.run())).toBe('credentials-expired');
      store.before = () => undefined;
      expect((await bench.run()).problems).toEqual([]);
      expect(readFileSync(bench.at('large')).equals(large)).toBe(true);
    });
  });

  test('one that is replaced while its sum is asked for comes in its new version', async () => {
    store.sumsWithRanges = false;
    await set('large', large, 'crc32c');
    const newer = noise(3, 20 << 20);
    store.before = async ({ method }) => {
      if (method !== 'head') return;
      store.before = () => undefined;
      await set('large', newer, 'crc32c');
    };
    expect((await bench.run()).problems).toEqual([]);
    expect(readFileSync(bench.at('large')).equals(newer)).toBe(true);
  });
});

describe('deletes', () => {
  const fill = (count: number): void => {
    for (let n = 0; n < count; n += 1) store.set(`${n}`, 'x');
  };

  test.each([
    [100, 51, true],
    [100, 50, false],
    [99, 98, false],
    [3, 3, true],
  ])('of %i files %i: refused %s', async (count, removed, refused) => {
    fill(count);
    await bench.run();
    for (let n = 0; n < removed; n += 1) store.remove(`${n}`);
    const options = { mayBeEmpty: true };
    expect(await codeOf(bench.run(options))).toBe(refused ? 'delete-refused' : 'no error');
    if (refused) expect(readdirSync(bench.data).length).toBe(count);
    await bench.run({ ...options, allowDelete: true });
    expect(readdirSync(bench.data).length).toBe(count - removed);
  });
});

describe('what a person did on the node', () => {
  test('a directory that was moved and linked is made anew, with all that is in it, and the link is kept', async () => {
    for (const key of ['d/a', 'd/b', 'e']) store.set(key, key, { parts: true });
    await bench.run();
    renameSync(bench.at('d'), join(bench.home, 'elsewhere'));
    symlinkSync(join(bench.home, 'elsewhere'), bench.at('d'));
    const { conflicts } = await bench.run();
    expect(conflicts.map(({ path, reason }) => [path, reason])).toEqual([['d', 'in-the-way']]);
    expect([lstatSync(bench.at('d')).isDirectory(), text('d/a'), text('d/b')]).toEqual([true, 'd/a', 'd/b']);
    expect(readFileSync(join(bench.home, 'elsewhere', 'a'), 'utf8')).toBe('d/a');
  });

  test('nothing is written, or removed, through a symlink that they made', async () => {
    for (const key of ['d/a', 'd/b', 'e']) store.set(key, key);
    await bench.run();
    rmSync(bench.at('d'), { recursive: true });
    mkdirSync(join(bench.home, 'outside'));
    writeFileSync(join(bench.home, 'outside', 'a'), 'theirs');
    symlinkSync('../outside', bench.at('d'));
    store.remove('d/a');
    store.set('d/b', 'new');
    await bench.run();
    expect(readdirSync(join(bench.home, 'outside'))).toEqual(['a']);
    expect(text('d/b')).toBe('new');
  });

  test('a file of theirs with the very bytes is taken over', async () => {
    store.set('a', 'same');
    mkdirSync(bench.data);
    writeFileSync(bench.at('a'), 'same');
    const { ino } = lstatSync(bench.at('a'));
    expect((await bench.run()).conflicts).toEqual([]);
    expect([gets(), lstatSync(bench.at('a')).ino]).toEqual([[], ino]);
  });

  test('one path that cannot be written is a problem, and is right by the next run', { timeout: 20_000 }, async () => {
    if (process.getuid?.() === 0) process.seteuid?.(65_534);
    try {
      using theirs = new CopyBench(store);
      for (const key of ['d/a', 'e']) store.set(key, 'old');
      await theirs.run();
      store.set('d/a', 'new');
      chmodSync(theirs.at('d'), 0o555);
      expect((await theirs.run()).problems.map(({ path, code }) => [path, code])).toEqual([
        ['d/a', 'permission-denied'],
      ]);
      chmodSync(theirs.at('d'), 0o755);
      expect((await theirs.run()).problems).toEqual([]);
      expect(readFileSync(theirs.at('d/a'), 'utf8')).toBe('new');
    } finally {
      if (process.getuid?.() === 0) process.seteuid?.(0);
    }
  });
});

test('versions of one source mean nothing at another', async () => {
  store = new MemoryStore({ versionIsMd5: false });
  const other = new MemoryStore({ versionIsMd5: false });
  store.set('a', 'one');
  other.set('a', 'two');
  const { signal } = new AbortController();
  expect((await other.head('a', signal))?.version).toBe((await store.head('a', signal))?.version);
  await bench.run({ source: 'one' }, store);
  const { conflicts } = await bench.run({ source: 'two' }, other);
  expect([text('a'), conflicts]).toEqual(['two', []]);
});

test('--verify finds bytes that a disk changed, and costs nothing of what is right', async () => {
  store.set('a', 'right');
  store.set('b', 'right');
  await bench.run();
  store.calls.splice(0);
  expect((await bench.run({ verify: true })).placed).toBe(0);
  expect(gets()).toEqual([]);
  writeFileSync(bench.at('a'), 'wrong');
  expect((await bench.run({ verify: true })).placed).toBe(1);
  expect([text('a'), gets()]).toEqual(['right', ['a']]);
});

test('a run leaves nothing but its ledger, and its progress ends at all', async () => {
  for (let n = 0; n < 70; n += 1) store.set(`d/${n}`, `${n}`);
  store.set('large', Buffer.alloc(9 << 20));
  const { fetchedBytes } = await bench.run();
  expect(readdirSync(join(bench.home, 'state'))).toEqual(['ledger']);
  expect([...readTree(bench.data).keys()].length).toBe(70 + 3);
  const last = bench.events.at(-1);
  expect([last?.files, last?.bytes]).toEqual([71, fetchedBytes]);
  expect([last?.totalFiles, last?.totalBytes]).toEqual([71, fetchedBytes]);
});
