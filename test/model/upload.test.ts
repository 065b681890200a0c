/**
 * Sources and a bucket that jobs write to, changed at random: after every upload the bucket has what the source has, but
 * where somebody else wrote; and what somebody else wrote is there, whatever was asked but `allowDelete`. Now and then an
 * upload breaks off at a random request, or is killed there, with what its index had not written by then.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { posixMetadata } from '../../protocol/store/posix-metadata.ts';
import { codeOf } from '../helpers/code-of.ts';
import { firstSeed } from '../helpers/first-seed.ts';
import { type MemoryObject, MemoryStore } from '../helpers/memory-store.ts';
import { Random } from '../helpers/random.ts';
import { UploadBench } from '../helpers/upload-bench.ts';

const cases = Number(process.env['TOWLINE_UPLOAD_CASES'] ?? 60);

const names = ['a', 'b', 'c/d', 'c/e', 'f/g/h'];
const texts = ['', 'x', 'y', 'xy', 'longer'];

type Mine = { readonly kind: 'file' | 'symlink'; readonly text: string; readonly mode: number };

class World {
  readonly bench: UploadBench;
  readonly #random: Random;
  /** What the source has. */
  readonly mine = new Map<string, Mine>();
  /** What others wrote last, and Towline has not replaced since. */
  readonly theirs = new Map<string, string>();
  /** What Towline wrote last; and before, when it was killed before it could say so. */
  readonly #uploaded = new Map<string, readonly string[]>();
  readonly #written = new Map<string, MemoryObject>();

  constructor(random: Random) {
    this.#random = random;
    this.bench = new UploadBench(new MemoryStore({ versionIsMd5: random.chance(0.5) }));
    this.#write('a', 'x');
  }

  /** One change, by the user or by a job. */
  step(): void {
    const name = this.#random.pick(names);
    const text = this.#random.pick(texts);
    const kind = this.#random.below(7);
    if (kind <= 2) this.#write(name, text);
    else if (kind === 3) this.#link(name, text === '' ? 'z' : text);
    else if (kind === 4 && this.mine.size > 1) this.#remove(name);
    else if (kind === 5) {
      const known = this.bench.store.traits.versionIsMd5 ? (this.#uploaded.get(name) ?? []) : [];
      // After a kill it depends on which of them it was that was said.
      if (known.length > 1 && known.includes(text)) return;
      this.bench.store.set(name, text);
      // Where versions are MD5s, the very bytes that Towline wrote are what it wrote.
      if (known.includes(text)) this.theirs.delete(name);
      else this.theirs.set(name, text);
    } else if (kind === 6) {
      this.bench.store.objects.delete(name);
      this.theirs.delete(name);
    }
  }

  #write(name: string, text: string): void {
    this.#remove(name);
    const mode = this.#random.pick([0o600, 0o644, 0o755]);
    chmodSync(this.bench.write(name, text), mode);
    this.mine.set(name, { kind: 'file', text, mode });
  }

  #link(name: string, text: string): void {
    this.#remove(name);
    mkdirSync(join(this.bench.root, name, '..'), { recursive: true });
    symlinkSync(text, join(this.bench.root, name));
    this.mine.set(name, { kind: 'symlink', text, mode: 0o777 });
  }

  #remove(name: string): void {
    const path = join(this.bench.root, name);
    // `rmSync` leaves a symlink to nothing (Node 24).
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
    this.mine.delete(name);
  }

  /** An upload that ends at its nth request. Killed, it leaves an index without the lines that were not written yet. */
  async interrupted(nth: number, killed: boolean, mirror: boolean): Promise<void> {
    const { store } = this.bench;
    const before = new Map(store.objects);
    const index = this.bench.indexFile;
    let written: Buffer | undefined;
    let calls = 0;
    store.before = () => {
      calls += 1;
      if (calls > nth) written ??= existsSync(index) ? readFileSync(index) : Buffer.alloc(0);
      if (calls > nth) throw new TowError('store-unreachable', 'away', { retryable: true });
    };
    const code = await codeOf(this.bench.run({ mirror }));
    store.before = () => undefined;
    expect(['no error', 'store-unreachable', 'delete-refused']).toContain(code);
    if (killed && written !== undefined) writeFileSync(index, written);
    for (const [key, object] of store.objects) {
      if (object === before.get(key)) continue;
      const mine = this.mine.get(key);
      expect([key, object.bytes.toString()]).toEqual([key, key.endsWith('/') ? '' : mine?.text]);
      expect([key, this.theirs.has(key)]).toEqual([key, false]);
      this.#written.set(key, object);
      this.#uploaded.set(key, [...(killed ? (this.#uploaded.get(key) ?? []) : []), object.bytes.toString()]);
    }
    for (const name of this.#alike()) this.#uploaded.set(name, [...(this.#uploaded.get(name) ?? []), '', 'either']);
    for (const [key, text] of this.theirs) expect([key, store.text(key)]).toEqual([key, text]);
  }

  /** What others wrote with the bytes that the source has is taken as it is, whether or not the upload goes on from there. */
  #alike(): string[] {
    return [...this.theirs].filter(([name, text]) => this.mine.get(name)?.text === text).map(([name]) => name);
  }

  async upload(mirror: boolean, allowDelete: boolean): Promise<void> {
    const before = new Map([...this.bench.store.objects].map(([key, object]) => [key, object]));
    try {
      const { kept } = await this.bench.run({ mirror, allowDelete });
      for (const key of kept) expect(this.theirs.has(key)).toBe(true);
      for (const [name, { text, kind, mode }] of this.mine) {
        const object = this.bench.store.objects.get(name);
        expect(object, name).toBeDefined();
        if (object === undefined || kept.includes(name)) continue;
        expect([name, object.bytes.toString()]).toEqual([name, text]);
        if (object !== before.get(name)) this.#written.set(name, object);
        // What somebody else wrote and has the same bytes stays as it is.
        if (object === this.#written.get(name))
          expect([name, posixMetadata(object).kind, posixMetadata(object).mode]).toEqual([name, kind, mode]);
        if (object !== before.get(name)) this.#uploaded.set(name, [text]);
        else if (this.theirs.has(name)) this.#uploaded.delete(name);
        if (allowDelete && object !== before.get(name)) this.theirs.delete(name);
      }
    } catch (error) {
      if (!(error instanceof TowError) || error.code !== 'delete-refused') throw error;
      expect(allowDelete).toBe(false);
      for (const name of this.#alike()) this.#uploaded.delete(name);
      expect([...this.bench.store.objects]).toEqual([...before]);
    }
    for (const [key, text] of this.theirs) expect([key, this.bench.store.text(key)]).toEqual([key, text]);
    if (!mirror) for (const key of before.keys()) expect(this.bench.store.objects.has(key)).toBe(true);
  }
}

async function runCase(seed: number): Promise<void> {
  const random = new Random(seed);
  const world = new World(random);
  using _bench = world.bench;
  try {
    for (let round = 0; round < 12; round += 1) {
      for (let steps = random.below(4); steps >= 0; steps -= 1) world.step();
      if (random.chance(0.3)) await world.interrupted(random.below(5), random.chance(0.5), random.chance(0.5));
      if (random.chance(0.5)) world.step();
      await world.upload(random.chance(0.5), random.chance(0.2));
    }
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}

test(`${cases} random cases from seed ${firstSeed}`, { timeout: 60_000 + cases * 1000 }, async () => {
  for (let seed = firstSeed; seed < firstSeed + cases; seed += 1) await runCase(seed);
});
