/**
 * The controller stops at any step of what changes a bucket, or the power goes and takes renames with it: what was
 * promised is there, what was not is as before or as wanted, whole, and nothing is left over.
 */
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BucketStep } from '../../controller/buckets/local/bucket.ts';
import { loadIndex } from '../../controller/buckets/local/index-load.ts';
import { LocalStore } from '../../controller/buckets/local/local-store.ts';
import { codeOf } from '../helpers/code-of.ts';
import { never } from '../helpers/link-pair.ts';
import { bytesOfObject, keysOf } from '../helpers/object-store.ts';

let top = '';
let directory = '';
let logged: string[] = [];
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'bucket-crash-'));
  directory = join(top, 'data');
  logged = [];
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

type Image = Readonly<Record<string, readonly [string, string]>>;

function openStore(before?: (step: BucketStep) => Promise<void>): LocalStore {
  return new LocalStore({ directory, log: (line) => logged.push(line), ...(before === undefined ? {} : { before }) });
}

async function put(store: LocalStore, key: string, value: string): Promise<void> {
  await store.put(key, Buffer.from(value), { metadata: { is: value } }, never);
}

/** Every object: its bytes, and what its metadata says of them. */
async function imageOf(store: LocalStore): Promise<Image> {
  const image: Record<string, readonly [string, string]> = {};
  for (const key of await keysOf(store)) {
    const head = await store.head(key, never);
    image[key] = [(await bytesOfObject(store, key)).toString(), head?.metadata['is'] ?? ''];
  }
  return image;
}

/**
 * A store that stops for good before a step, and before any other step from then on, as if the process was killed there.
 * `all`: so did another change that was under way.
 */
function stoppingStore(step: BucketStep) {
  const events: (() => void)[] = [];
  const event = async (): Promise<void> => await new Promise((resolve) => events.push(resolve));
  const [stopped, all] = [event(), event()];
  let dead = false;
  const store = openStore(async (now) => {
    if (now !== step && !dead) return;
    dead = true;
    events.shift()?.();
    await new Promise(() => undefined);
  });
  return { store, stopped, all };
}

/** No file but those of objects, when nothing is under way. */
function leftovers(image: Image): string[] {
  const odd = readdirSync(join(directory, 'odd'));
  const plain = readdirSync(join(directory, 'files'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const counted =
    odd.length + plain.length === Object.keys(image).length ? [] : [`${odd.length} odd, ${plain.length} plain`];
  return [...counted, ...readdirSync(join(directory, 'tmp')), ...readdirSync(join(directory, 'uploads'))];
}

const seeded: Image = {
  kept: ['kept', 'kept'],
  'dir/one': ['one', 'one'],
  'odd//key': ['odd', 'odd'],
  dir: ['beside', 'beside'],
};

async function seed(): Promise<void> {
  await using store = openStore();
  await store.createBucket(never);
  for (const key of ['kept', 'dir/one', 'odd//key', 'dir']) await put(store, key, seeded[key]?.[0] ?? '');
  expect(await imageOf(store)).toEqual(seeded);
}

const without = (...keys: string[]): Image =>
  Object.fromEntries(Object.entries(seeded).filter(([key]) => !keys.includes(key)));

const changes: readonly {
  readonly name: string;
  readonly change: (store: LocalStore) => Promise<unknown>;
  readonly after: Image;
}[] = [
  {
    name: 'a new object',
    change: async (store) => await put(store, 'new/x', 'new'),
    after: { ...seeded, 'new/x': ['new', 'new'] },
  },
  {
    name: 'another version',
    change: async (store) => await put(store, 'dir/one', 'two'),
    after: { ...seeded, 'dir/one': ['two', 'two'] },
  },
  {
    name: 'another version of an odd key',
    change: async (store) => await put(store, 'odd//key', 'two'),
    after: { ...seeded, 'odd//key': ['two', 'two'] },
  },
  {
    name: 'an odd key that has room by now',
    change: async (store) => await put(store, 'dir', 'two'),
    after: { ...without('dir/one'), dir: ['two', 'two'] },
  },
  {
    name: 'an object below a file',
    change: async (store) => await put(store, 'kept/below', 'new'),
    after: { ...seeded, 'kept/below': ['new', 'new'] },
  },
  {
    name: 'an upload',
    change: async (store) => {
      const upload = await store.startUpload('kept', { metadata: { is: 'parts' } }, never);
      await upload.part(1, Buffer.from('par'), never);
      await upload.part(2, Buffer.from('ts'), never);
      await upload.complete(never);
    },
    after: { ...seeded, kept: ['parts', 'parts'] },
  },
  {
    name: 'other metadata',
    change: async (store) => await store.copy('kept', 'kept', { replace: { metadata: { is: 'other' } } }, never),
    after: { ...seeded, kept: ['kept', 'other'] },
  },
  {
    name: 'a removal',
    change: async (store) => await store.delete('dir/one', never),
    after: without('dir/one'),
  },
  {
    name: 'a removal of an odd key',
    change: async (store) => await store.delete('odd//key', never),
    after: without('odd//key'),
  },
];

describe.each(changes)('$name', ({ name, change, after }) => {
  test.each(['record', 'place', 'replace', 'unlink', 'settle'] as const)(
    'the controller stops before %s',
    async (step) => {
      await seed();
      const { store, stopped } = stoppingStore(step);
      if (name === 'an odd key that has room by now') {
        // Not a step of its own: done by a controller that ended well.
        await using prior = openStore();
        await prior.delete('dir/one', never);
      }
      const before = await (async () => {
        await using prior = openStore();
        return await imageOf(prior);
      })();
      const ended = change(store).then(() => 'ended' as const);
      const outcome = await Promise.race([ended, stopped.then(() => 'stopped' as const)]);
      await using next = openStore();
      const image = await imageOf(next);
      // Before the record nothing was promised; behind it, it is as good as done.
      expect(image).toEqual(step === 'record' ? before : after);
      expect(outcome === 'ended' || step !== 'settle').toBe(true);
      expect(leftovers(image)).toEqual([]);
      for (const { version } of (await next.list({ prefix: '' }, never)).objects) expect(version).not.toMatch(/^u/);
    },
  );

  test('the disk fails between record and deed: it is as before, now and after a crash', async () => {
    await seed();
    let failing = false;
    const store = openStore(async (step) => {
      if (failing && (step === 'place' || step === 'unlink')) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    });
    await store.head('kept', never);
    failing = true;
    const code = await codeOf(change(store));
    if (name === 'other metadata') return await store[Symbol.asyncDispose]();
    expect(code).toBe('store-failed');
    expect(await imageOf(store)).toEqual(seeded);
    // It is not closed: that is the crash.
    await using next = openStore();
    expect(await imageOf(next)).toEqual(seeded);
    expect(leftovers(seeded)).toEqual([]);
    for (const { version } of (await next.list({ prefix: '' }, never)).objects) expect(version).not.toMatch(/^u/);
  });
});

describe('the power goes, and names that were not written yet are as before', () => {
  /** Two versions of `a`, a new `b`, and `c` removed, all promised; then the disk has the names of before, and no settling. */
  async function loseNames(): Promise<void> {
    const first = openStore();
    await first.createBucket(never);
    await put(first, 'a', 'zero');
    await put(first, 'c', 'gone');
    await first[Symbol.asyncDispose]();
    const keep = join(top, 'keep');
    mkdirSync(keep);
    for (const key of ['a', 'c']) linkSync(join(directory, 'files', key), join(keep, key));
    const { store } = stoppingStore('settle');
    await put(store, 'a', 'one');
    linkSync(join(directory, 'files/a'), join(keep, 'one'));
    const middle = await tempOf('a');
    await put(store, 'a', 'two');
    await put(store, 'b', 'new');
    await store.delete('c', never);
    for (const key of ['a', 'b']) renameSync(join(directory, 'files', key), join(directory, 'tmp', await tempOf(key)));
    renameSync(join(keep, 'one'), join(directory, 'tmp', middle));
    for (const key of ['a', 'c']) renameSync(join(keep, key), join(directory, 'files', key));
  }

  async function tempOf(key: string): Promise<string> {
    return (await loadIndex(join(directory, 'index'))).entries.get(key)?.temp ?? '';
  }

  test('what was promised is made again', async () => {
    await loseNames();
    await using store = openStore();
    const image = await imageOf(store);
    expect(image).toEqual({ a: ['two', 'two'], b: ['new', 'new'] });
    expect(leftovers(image)).toEqual([]);
  });

  test('but not over what the user wrote since', async () => {
    await loseNames();
    writeFileSync(join(directory, 'files/a'), 'mine, and longer');
    writeFileSync(join(directory, 'files/b'), 'mine too, and longer');
    writeFileSync(join(directory, 'files/c'), 'and this one');
    await using store = openStore();
    const image = await imageOf(store);
    expect(image).toEqual({
      a: ['mine, and longer', ''],
      b: ['mine too, and longer', ''],
      c: ['and this one', ''],
    });
    expect(leftovers(image)).toEqual([]);
  });
});

test('a removed file that the user puts back after all was settled stays', async () => {
  await seed();
  linkSync(join(directory, 'files/kept'), join(top, 'backup'));
  {
    await using store = openStore();
    await store.delete('kept', never);
  }
  renameSync(join(top, 'backup'), join(directory, 'files/kept'));
  await using store = openStore();
  expect((await imageOf(store))['kept']?.[0]).toBe('kept');
});

describe('a checkpoint', () => {
  /** Enough for one, in few writes. */
  async function fill(store: LocalStore): Promise<Image> {
    const image: Record<string, readonly [string, string]> = {};
    const padding = 'x'.repeat(8000);
    for (let n = 0; n < 160; n += 1) {
      const key = n % 3 === 0 ? `odd//${n}` : `dir/${n}`;
      await store.put(key, Buffer.from(`${n}`), { metadata: { is: `${n}`, padding } }, never);
      image[key] = [`${n}`, `${n}`];
    }
    return image;
  }

  test('takes the place of the journals, and says what they said', async () => {
    {
      await using store = openStore();
      await store.createBucket(never);
    }
    const image = await (async () => {
      await using store = openStore();
      return await fill(store);
    })();
    expect(readdirSync(join(directory, 'index')).filter((name) => name.endsWith('.checkpoint'))).toHaveLength(1);
    await using store = openStore();
    expect(await imageOf(store)).toEqual(image);
    expect(leftovers(image)).toEqual([]);
  });

  test.each(['rotate', 'checkpoint', 'publish', 'drop'] as const)('the controller stops before %s', async (step) => {
    {
      await using store = openStore();
      await store.createBucket(never);
    }
    const { store, stopped, all } = stoppingStore(step);
    const filling = fill(store);
    await stopped;
    await Promise.race([filling, all]);
    await using next = openStore();
    const found = await imageOf(next);
    expect(Object.keys(found).length).toBeGreaterThan(100);
    for (const [key, value] of Object.entries(found)) expect([key, ...value]).toEqual([key, value[0], value[0]]);
    const image = await fill(next);
    expect(await imageOf(next)).toEqual(image);
    await next[Symbol.asyncDispose]();
    await using last = openStore();
    expect(await imageOf(last)).toEqual(image);
    expect(leftovers(image)).toEqual([]);
  });
});

test('a journal cut anywhere costs no bytes of any file, and nothing that was before the cut', async () => {
  await seed();
  const last = (): string =>
    join(
      directory,
      'index',
      readdirSync(join(directory, 'index'))
        .filter((name) => name.endsWith('.journal'))
        .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0] ?? '',
    );
  await (async () => {
    await using store = openStore();
    for (const n of [1, 2, 3]) await put(store, `new/${n}`, `${n}`);
  })();
  const path = last();
  const bytes = readFileSync(path);
  for (const keep of [bytes.length - 1, bytes.length >> 1, 40, 3, 0]) {
    truncateSync(path, keep);
    const store = openStore();
    const image = await imageOf(store);
    expect(image).toMatchObject(seeded);
    for (const n of [1, 2, 3]) expect(image[`new/${n}`]?.[0]).toBe(`${n}`);
    await store[Symbol.asyncDispose]();
    // That opened one of its own; the one before is the last again.
    rmSync(last());
  }
  expect(logged).toEqual([]);
});

test('a damaged checkpoint is set aside and named; files are objects, odd ones are kept for the user', async () => {
  await seed();
  for (let n = 0; n < 18; n += 1) {
    await using store = openStore();
    await store.head('kept', never);
  }
  const checkpoint = readdirSync(join(directory, 'index')).find((name) => name.endsWith('.checkpoint')) ?? '';
  const path = join(directory, 'index', checkpoint);
  const bytes = readFileSync(path);
  bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  await using store = openStore();
  expect(await imageOf(store)).toEqual({ kept: ['kept', ''], 'dir/one': ['one', ''] });
  expect(logged).toEqual([expect.stringContaining(`${checkpoint}.damaged`)]);
  const lost = readdirSync(join(directory, 'lost')).map((name) => readFileSync(join(directory, 'lost', name), 'utf8'));
  expect(lost.sort()).toEqual(['beside', 'odd']);
  await put(store, 'odd//key', 'again');
  expect((await imageOf(store))['odd//key']).toEqual(['again', 'again']);
});
