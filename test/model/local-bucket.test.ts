/**
 * Random operations on a bucket, and edits of its files by hand in between, against a map from keys to bytes: what the
 * store says of every key is what the map says, also after the controller was started anew, or stopped at a random step of
 * a change: then that one is done or not begun. Once as the controller has it and once as a node does.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BucketStep } from '../../controller/buckets/local/bucket.ts';
import { LocalStore } from '../../controller/buckets/local/local-store.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { codeOf } from '../helpers/code-of.ts';
import { never } from '../helpers/link-pair.ts';
import { openLinkStore, openLocalStore } from '../helpers/local-bucket.ts';
import { bytesOfObject, keysOf } from '../helpers/object-store.ts';

const runs = Number(process.env['TOWLINE_BUCKET_CASES'] ?? 60);
const nodeRuns = Math.ceil((runs * 2) / 3);
const steps: readonly BucketStep[] = [
  'record',
  'place',
  'replace',
  'unlink',
  'settle',
  'rotate',
  'checkpoint',
  'publish',
  'drop',
];

/** Few, and in each other's way. */
const names = ['a', 'b', 'a.b', 'é'];
const key = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((path) => path.join('/')),
  },
  { weight: 1, arbitrary: fc.constantFrom('a/', '/a', 'a//b', '..', 'b/../a', 'a/./b', 'x'.repeat(300), '\0') },
);
const text = fc.string({ maxLength: 12 });
const operation = fc.oneof(
  fc.record({ op: fc.constant('put' as const), key, text }),
  fc.record({ op: fc.constant('putIf' as const), key, text, absent: fc.boolean() }),
  fc.record({ op: fc.constant('upload' as const), key, text }),
  fc.record({ op: fc.constant('delete' as const), key }),
  fc.record({ op: fc.constant('deleteMany' as const), keys: fc.uniqueArray(key, { maxLength: 4 }) }),
  fc.record({ op: fc.constant('copy' as const), key, to: key, replace: fc.option(text, { nil: undefined }) }),
  fc.record({ op: fc.constant('edit' as const), key, text }),
  fc.record({ op: fc.constant('removeByHand' as const), key }),
  fc.record({ op: fc.constant('restart' as const) }),
  fc.record({ op: fc.constant('crash' as const), step: fc.constantFrom(...steps), key, text, removes: fc.boolean() }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

interface Held {
  readonly text: string;
  readonly is: string;
}

interface Bed {
  store: ObjectStore;
  readonly files: string;
  restart(): Promise<void>;
  /** Stops for good before the step, or after the change if that does not come to it. Whether it came past its record. */
  crash(step: BucketStep, change: (store: ObjectStore) => Promise<unknown>): Promise<boolean>;
}

/** A path that the user can write a file to as things stand; makes what is above. */
function userPath(files: string, at: string): string | undefined {
  if (!at.split('/').every((name) => names.includes(name))) return undefined;
  const path = join(files, at);
  try {
    mkdirSync(dirname(path), { recursive: true });
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? undefined : path;
  } catch {
    return undefined;
  }
}

/** What by hand is removed at a path: all keys there, and below; not those that are no files. */
function removedByHand(files: string, at: string): string[] {
  const path = join(files, at);
  // Not where a file is above it.
  const stats = existsSync(path) ? statSync(path) : undefined;
  if (stats === undefined) return [];
  const gone = stats.isFile()
    ? [at]
    : readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(files.length + 1));
  rmSync(path, { recursive: true });
  return gone;
}

async function apply(bed: Bed, model: Map<string, Held>, one: Operation): Promise<void> {
  const { store, files } = bed;
  const metadata = 'text' in one ? { is: encodeURIComponent(one.text) } : {};
  const bytes = Buffer.from('text' in one ? one.text : '');
  const held: Held = { text: bytes.toString(), is: metadata.is ?? '' };
  switch (one.op) {
    case 'put':
      await store.put(one.key, bytes, { metadata }, never);
      model.set(one.key, held);
      return;
    case 'putIf': {
      const known = model.get(one.key);
      const version = (await store.head(one.key, never))?.version ?? 'none';
      const condition = one.absent ? ({ type: 'absent' } as const) : ({ type: 'version', version } as const);
      const code = await codeOf(store.put(one.key, bytes, { metadata, condition }, never));
      const allowed = one.absent === (known === undefined);
      expect(code).toBe(allowed ? 'no error' : 'object-changed');
      if (allowed) model.set(one.key, held);
      return;
    }
    case 'upload': {
      const upload = await store.startUpload(one.key, { metadata }, never);
      const half = bytes.length >> 1;
      await upload.part(2, bytes.subarray(bytes.length - half), never);
      await upload.part(1, bytes.subarray(0, bytes.length - half), never);
      await upload.complete(never);
      model.set(one.key, held);
      return;
    }
    case 'delete':
      await store.delete(one.key, never);
      model.delete(one.key);
      return;
    case 'deleteMany':
      expect(await store.deleteMany(one.keys, never)).toEqual([]);
      for (const each of one.keys) model.delete(each);
      return;
    case 'copy': {
      const from = model.get(one.key);
      const is = one.replace === undefined ? undefined : encodeURIComponent(one.replace);
      const options = is === undefined ? {} : { replace: { metadata: { is } } };
      expect(await codeOf(store.copy(one.key, one.to, options, never))).toBe(
        from === undefined ? 'object-missing' : 'no error',
      );
      if (from !== undefined) model.set(one.to, { text: from.text, is: is ?? from.is });
      return;
    }
    case 'edit': {
      const path = userPath(files, one.key);
      if (path === undefined) return;
      // Another file than before, as editors make it: an edit in place within a tick of the clock may not show.
      rmSync(path, { force: true });
      writeFileSync(path, `by hand ${one.text}`);
      model.set(one.key, { text: Buffer.from(`by hand ${one.text}`).toString(), is: '' });
      return;
    }
    case 'removeByHand':
      if (!one.key.split('/').every((name) => names.includes(name))) return;
      for (const gone of removedByHand(files, one.key)) model.delete(gone);
      return;
    case 'restart':
      await bed.restart();
      return;
    case 'crash': {
      const promised = await bed.crash(one.step, async (stopping) =>
        one.removes ? await stopping.delete(one.key, never) : await stopping.put(one.key, bytes, { metadata }, never),
      );
      const head = await bed.store.head(one.key, never);
      const before = model.get(one.key);
      const now = head === undefined ? undefined : await heldOf(bed.store, one.key, head.metadata['is'] ?? '');
      const after = one.removes ? undefined : held;
      // Before the record nothing was promised; behind it, it is as good as done.
      expect(now).toEqual(promised ? after : before);
      if (now === undefined) model.delete(one.key);
      else model.set(one.key, now);
    }
  }
}

async function heldOf(store: ObjectStore, at: string, is: string): Promise<Held> {
  return { text: (await bytesOfObject(store, at)).toString(), is };
}

async function expectSame(store: ObjectStore, model: ReadonlyMap<string, Held>): Promise<void> {
  const sorted = [...model.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(await keysOf(store, { prefix: '', limit: 3 })).toEqual(sorted);
  for (const [at, { text: want, is }] of model) {
    expect((await bytesOfObject(store, at)).toString()).toBe(want);
    const head = await store.head(at, never);
    expect([head?.size, head?.metadata['is'] ?? '']).toEqual([Buffer.byteLength(want), is]);
  }
  const { objects, prefixes } = await store.list({ prefix: 'a/', delimiter: '/' }, never);
  const below = sorted.filter((each) => each.startsWith('a/')).map((each) => each.slice(2));
  expect(objects.map((object) => object.key.slice(2))).toEqual(below.filter((each) => !each.includes('/')));
  const heads = below.filter((each) => each.includes('/')).map((each) => `a/${each.slice(0, each.indexOf('/') + 1)}`);
  expect(prefixes).toEqual([...new Set(heads)]);
}

/** A store that can be stopped before a step, and does nothing any more from then on, as if its process was killed. */
function openStopping(directory: string) {
  const state: { at: BucketStep | undefined; dead: boolean } = { at: undefined, dead: false };
  let stop: () => void = () => undefined;
  const stopped = new Promise<'stopped'>((resolve) => {
    stop = () => resolve('stopped');
  });
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const before = async (step: BucketStep): Promise<void> => {
    if (step !== state.at && !state.dead) return;
    state.dead = true;
    stop();
    await released;
  };
  const store = new LocalStore({ directory, log: (line) => expect(line).toBe(''), before });
  let changing: Promise<unknown> = Promise.resolve();
  const crash = async (at: BucketStep, change: (store: ObjectStore) => Promise<unknown>): Promise<boolean> => {
    state.at = at;
    changing = change(store);
    const outcome = await Promise.race([changing, stopped]);
    state.dead = true;
    return outcome !== 'stopped' || at !== 'record';
  };
  /** Lets go of its files, when what it does to the bucket matters no more. */
  const end = async (): Promise<void> => {
    release();
    await Promise.allSettled([changing]);
    await store[Symbol.asyncDispose]();
  };
  return { store, crash, end };
}

test(`${runs} random histories, as the controller has it`, { timeout: 60_000 + runs * 2000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
      await using opened = await openLocalStore();
      await opened.store[Symbol.asyncDispose]();
      let now = openStopping(opened.directory);
      const dead: (typeof now)[] = [];
      const reopen = (): void => {
        now = openStopping(opened.directory);
        bed.store = now.store;
      };
      const bed: Bed = {
        store: now.store,
        files: join(opened.directory, 'files'),
        restart: async () => {
          await now.store[Symbol.asyncDispose]();
          reopen();
        },
        crash: async (step, change) => {
          const promised = await now.crash(step, change);
          dead.push(now);
          reopen();
          return promised;
        },
      };
      const model = new Map<string, Held>();
      for (const one of operations) {
        await apply(bed, model, one);
        await expectSame(bed.store, model);
      }
      for (const each of [...dead, now]) await each.end();
    }),
    { numRuns: runs },
  );
});

test(`${nodeRuns} random histories, as a node has it`, { timeout: 60_000 + runs * 2000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
      await using opened = await openLinkStore();
      const bed: Bed = {
        store: opened.store,
        files: join(opened.directory, 'files'),
        restart: async () => undefined,
        crash: async (_, change) => {
          await change(opened.store);
          return true;
        },
      };
      const model = new Map<string, Held>();
      for (const one of operations) await apply(bed, model, one);
      await expectSame(bed.store, model);
    }),
    { numRuns: nodeRuns },
  );
});
