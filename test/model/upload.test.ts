/**
 * Sources and a bucket that jobs write to, changed at random: after every upload the bucket has what the source has, but
 * where somebody else wrote; and what somebody else wrote is there, whatever was asked but `allowDelete`.
 */
import { chmodSync, lstatSync, mkdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { posixMetadata } from '../../protocol/store/posix-metadata.ts';
import { type MemoryObject, MemoryStore } from '../helpers/memory-store.ts';
import { Random } from '../helpers/random.ts';
import { UploadBench } from '../helpers/upload-bench.ts';

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
  /** What Towline wrote last. */
  readonly #uploaded = new Map<string, string>();
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
      this.bench.store.set(name, text);
      // Where versions are MD5s, the very bytes that Towline wrote are what it wrote.
      if (this.bench.store.traits.versionIsMd5 && this.#uploaded.get(name) === text) this.theirs.delete(name);
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
        if (object !== before.get(name)) this.#uploaded.set(name, text);
        else if (this.theirs.has(name)) this.#uploaded.delete(name);
        if (allowDelete && object !== before.get(name)) this.theirs.delete(name);
      }
    } catch (error) {
      if (!(error instanceof TowError) || error.code !== 'delete-refused') throw error;
      expect(allowDelete).toBe(false);
      expect([...this.bench.store.objects]).toEqual([...before]);
    }
    for (const [key, text] of this.theirs) expect([key, this.bench.store.text(key)]).toEqual([key, text]);
    if (!mirror) for (const key of before.keys()) expect(this.bench.store.objects.has(key)).toBe(true);
  }
}

test.each(Array.from({ length: 60 }, (_, seed) => seed))('seed %i', async (seed) => {
  const random = new Random(seed);
  const world = new World(random);
  using _bench = world.bench;
  for (let round = 0; round < 12; round += 1) {
    for (let steps = random.below(4); steps >= 0; steps -= 1) world.step();
    await world.upload(random.chance(0.5), random.chance(0.2));
  }
});
