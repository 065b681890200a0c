/**
 * Random buckets, random edits of the bucket and by a person on the node, copy, compare with a reference. After each run:
 *  - every wanted path has the object's bytes, and what a copy had put there and the bucket dropped is gone;
 *  - every version that somebody made on the node is still there, in place or in conflicts;
 *  - a second run fetches nothing and changes nothing, inodes and times included.
 * Now and then a run breaks off first: at a random request, or killed before a random change that it makes to the disk, the
 * power with it at times. Then no file is there in part, and bucket and node may be edited before the next run.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { CopyBench } from '../helpers/copy-bench.ts';
import { DyingDisk } from '../helpers/dying-disk.ts';
import { firstSeed } from '../helpers/first-seed.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { Random } from '../helpers/random.ts';
import { readTree, type TreeItem } from '../helpers/tree.ts';

const cases = Number(process.env['TOWLINE_COPY_CASES'] ?? 40);

const keys = ['a', 'a/b', 'a/b/c', 'b', 'b/', 'c/d', 'c/e/f', 'c/e/g', 'd/', 'd/x', 'e', 'f/g/h/i', 'j//k', '../l'];
const shared = ['same', '', 'x'.repeat(5000)];

class Case {
  readonly bench: CopyBench;
  readonly random: Random;
  #made = 0;

  constructor(random: Random) {
    this.random = random;
    this.bench = new CopyBench(new MemoryStore({ versionIsMd5: random.chance(0.7) }), '/dev/shm');
    this.bench.store.pageSize = random.pick([1, 2, 3, 1000]);
  }

  content(): string {
    this.#made += 1;
    if (this.random.chance(0.02)) return `${this.#made} `.repeat(300_000);
    return this.random.chance(0.3) ? this.random.pick(shared) : `content ${this.#made}`;
  }

  editBucket(): void {
    const { store } = this.bench;
    const key = this.random.pick(keys);
    const roll = this.random.below(10);
    if (roll < 6) store.set(key, key.endsWith('/') ? '' : this.content(), { parts: this.random.chance(0.4) });
    else if (roll < 9) store.remove(key);
    else if (store.keys().includes(key)) {
      store.set(this.random.pick(keys.filter((other) => !other.endsWith('/'))), store.bytesOf(key));
      store.remove(key);
    }
  }

  /** What a person does on the node. */
  editNode(): void {
    const { data } = this.bench;
    const paths = [...treeOf(this.bench)].filter(([path]) => path !== '');
    const roll = this.random.below(10);
    const some = paths.length === 0 ? undefined : this.random.pick(paths);
    const at = some === undefined ? '' : join(data, some[0]);
    if (roll < 3 && some?.[1].kind === 'file') writeFileSync(at, `theirs ${this.content()}`);
    else if (roll === 3 && some !== undefined) rmSync(at, { recursive: true });
    else if (roll === 4 && some?.[1].kind === 'file') chmodSync(at, 0o600);
    else if (roll === 5 && some?.[1].kind === 'file') utimesSync(at, 1, 1);
    else if (roll === 6 && some?.[1].kind === 'dir') {
      // To another disk, and a symlink in its place.
      const moved = join(this.bench.home, `moved-${(this.#made += 1)}`);
      renameSync(at, moved);
      symlinkSync(moved, at);
    } else if (roll === 7 && some !== undefined && some[1].kind !== 'dir') {
      unlinkSync(at);
      mkdirSync(at);
      writeFileSync(join(at, 'inside'), `theirs ${this.content()}`);
    } else {
      const fresh = join(data, this.random.pick(['a', 'b', 'c/e/f', 'z', 'f/g', 'c/own', 'd']));
      if (lstatSync(fresh, { throwIfNoEntry: false }) !== undefined) return;
      try {
        mkdirSync(dirname(fresh), { recursive: true });
        writeFileSync(fresh, `theirs ${this.content()}`);
      } catch {
        // A file lies where a directory would be: then this person does nothing.
      }
    }
  }

  /** What must be there: a name that is an object and a directory is a directory. */
  wanted(): { readonly files: Map<string, Buffer>; readonly directories: Set<string> } {
    const { store } = this.bench;
    const safe = store.keys().filter((key) => !key.includes('//') && !key.includes('..'));
    const directories = new Set<string>();
    for (const key of safe)
      for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1))
        directories.add(key.slice(0, slash));
    const files = safe.filter((key) => !key.endsWith('/') && !directories.has(key));
    return { files: new Map(files.map((key) => [key, store.bytesOf(key)])), directories };
  }
}

function contentsBelow(directory: string): Set<string> {
  if (!existsSync(directory)) return new Set();
  return new Set([...readTree(directory).values()].map(({ kind, content }) => `${kind} ${content}`));
}

type Tree = ReadonlyMap<string, TreeItem>;

/** Without the empty file that asks whether a rename works: the next run takes it away. */
function treeOf({ data }: CopyBench): Tree {
  return new Map(existsSync(data) ? [...readTree(data)].filter(([path]) => path !== '.towline-probe-k') : []);
}

/** Paths that are not as a copy left them. */
function theirsOf(tree: Tree, ours: Tree): (readonly [string, TreeItem])[] {
  return [...tree].filter(
    ([path, { kind, content }]) =>
      kind !== 'dir' && (ours.get(path)?.content !== content || ours.get(path)?.kind !== kind),
  );
}

function expectKept(bench: CopyBench, theirs: readonly (readonly [string, TreeItem])[], where: string): void {
  const after = treeOf(bench);
  const kept = contentsBelow(bench.conflicts);
  for (const [path, { kind, content }] of theirs) {
    const now = after.get(path);
    const there = now?.kind === kind && now.content === content;
    expect(there || kept.has(`${kind} ${content}`), `${where}: ${path} of a person is lost`).toBe(true);
  }
}

type Options = NonNullable<Parameters<CopyBench['run']>[0]>;

/** A run that does not get to its end. What it placed is added to `ours`. */
async function interrupt(one: Case, ours: Map<string, TreeItem>, options: Options, where: string): Promise<void> {
  const { bench, random } = one;
  const before = treeOf(bench);
  const theirs = theirsOf(before, ours);
  const killed = random.chance(0.6);
  if (killed) await kill(bench, random.below(60), options);
  else await breakOff(bench, random.below(12), options);
  expectKept(bench, theirs, where);
  const { files } = one.wanted();
  const lost = killed && random.chance(0.2);
  for (const [path, item] of treeOf(bench)) {
    const was = before.get(path);
    if (item.kind === 'dir' || (was?.content === item.content && was.kind === item.kind)) continue;
    const whole = files.get(path)?.equals(readFileSync(bench.at(path))) === true;
    expect(whole, `${where}: ${path} is there in part`).toBe(true);
    if (lost && random.chance(0.5)) loseBytes(bench.at(path));
    ours.set(path, readTree(bench.data).get(path) ?? item);
  }
  // The power went as well: another boot, and bytes that were not on the disk yet.
  if (lost) {
    using _ = new DyingDisk(() => true, 'another boot\n');
    await bench.run(options);
    expectKept(bench, theirs, where);
    for (const path of files.keys()) ours.set(path, readTree(bench.data).get(path) ?? fail(path));
  }
}

function fail(path: string): never {
  throw new Error(`${path} is not there`);
}

function loseBytes(at: string): void {
  const { size, atime, mtime } = lstatSync(at);
  writeFileSync(at, Buffer.alloc(size));
  utimesSync(at, atime, mtime);
}

async function runCase(seed: number): Promise<void> {
  const random = new Random(seed);
  const one = new Case(random);
  const { bench } = one;
  const edit = (): void => {
    for (let n = random.below(12); n >= 0; n -= 1) one.editBucket();
    if (existsSync(bench.data)) for (let n = random.below(5); n > 0; n -= 1) one.editNode();
  };
  try {
    let ours = new Map<string, TreeItem>();
    if (random.chance(0.3)) mkdirSync(bench.data);
    for (let round = 0; round < 5; round += 1) {
      const where = `seed ${seed} round ${round}`;
      const options = { allowDelete: true, mayBeEmpty: true, verify: random.chance(0.2) };
      edit();
      if (random.chance(0.4)) {
        await interrupt(one, ours, options, where);
        if (random.chance(0.5)) edit();
      }
      const before = treeOf(bench);
      const theirs = theirsOf(before, ours);
      const { files, directories } = one.wanted();
      const result = await bench.run(options);
      const after = readTree(bench.data);

      for (const [path, bytes] of files)
        expect(readFileSync(bench.at(path)).equals(bytes), `${where}: ${path} is not the object`).toBe(true);
      for (const path of directories) expect(after.get(path)?.kind, `${where}: ${path}`).toBe('dir');
      expectKept(bench, theirs, where);
      for (const [path, item] of after) {
        if (path === '' || files.has(path) || directories.has(path)) continue;
        const was = before.get(path);
        expect(was?.kind, `${where}: ${path} is nobody's`).toBe(item.kind);
        const isTheirs = item.kind === 'dir' || theirs.some(([theirPath]) => theirPath === path);
        expect(isTheirs, `${where}: ${path} was ours and is not wanted`).toBe(true);
      }
      expect(
        result.problems.every(({ code }) => code === 'unsafe-key'),
        where,
      ).toBe(true);
      ours = new Map([...after].filter(([path]) => files.has(path) || directories.has(path)));

      bench.store.calls.splice(0);
      const again = await bench.run({ ...options, verify: false });
      expect([again.fetchedBytes, again.placed, again.removed, again.conflicts.length], where).toEqual([0, 0, 0, 0]);
      expect(bench.store.count('get'), where).toBe(0);
      expect(readTree(bench.data), where).toEqual(after);
      expect(readdirSync(join(bench.home, 'state')), where).toEqual(['ledger']);
    }
  } finally {
    bench[Symbol.dispose]();
  }
}

/** A run that is killed before its nth change of the disk. */
async function kill(bench: CopyBench, nth: number, options: Options): Promise<void> {
  using disk = new DyingDisk((_, index) => index < nth);
  await bench.run(options).catch((error: unknown) => {
    if (!disk.dead) throw error;
  });
}

/** A run that the service lets down at its nth request. */
async function breakOff(bench: CopyBench, nth: number, options: Options): Promise<void> {
  const { store } = bench;
  let calls = 0;
  store.before = () => {
    calls += 1;
    if (calls > nth) throw new TowError('store-unreachable', 'away', { retryable: true });
  };
  await bench.run(options).catch((error: unknown) => {
    if (!(error instanceof TowError) || error.code !== 'store-unreachable') throw error;
  });
  store.before = () => undefined;
}

test(`${cases} random cases from seed ${firstSeed}`, { timeout: 60_000 + cases * 1000 }, async () => {
  for (let seed = firstSeed; seed < firstSeed + cases; seed += 1) await runCase(seed);
});
