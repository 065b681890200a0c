/**
 * Files that a source does not send because they are objects of a git pack that it sends as well: made from that as soon as
 * it has come so far. One that cannot be made is simply not there, and asked for later like any other.
 */
import { closeSync } from 'node:fs';
import type { RootPath } from '../../base/root-path.ts';
import { maxObjectBytes, type ObjectFile, type ObjectPack } from '../../chunk/file-pack.ts';
import { PackObjects } from '../../git/pack-objects.ts';
import { openForReading } from './file-content.ts';

/** How long files are made at once, in ms: what comes in meanwhile should not wait for long. */
const sliceMs = 10;

/** Each is an open file; a repository has some, a few for each clone and fetch. */
const maxPacks = 64;

/** Where a git pack is, and how many bytes of it are there; all of it if undefined. */
export interface PackPlace {
  readonly where: Buffer;
  readonly available: number | undefined;
}

/** What became of a promise. */
export interface Made {
  readonly file: ObjectFile;
  /** Undefined when there is no such object. */
  readonly bytes: Buffer | undefined;
}

/** What was made in some ms. */
export interface MadeFiles {
  readonly bytes: number;
  /** Whether there may be more to make at once. */
  readonly more: boolean;
}

class PromisingPack {
  /** By offset, but for those that came since. */
  #files: ObjectFile[] = [];
  #sorted = true;
  #fd: number | undefined;
  #objects: PackObjects | undefined;

  add(files: readonly ObjectFile[]): void {
    for (const file of files) this.#files.push(file);
    this.#sorted = false;
  }

  get hasFiles(): boolean {
    return this.#files.length > 0;
  }

  /** Takes out those that can be told now, with what they are. */
  *take({ where, available }: PackPlace): Generator<Made, void, void> {
    this.#fd ??= openForReading(where);
    if (this.#fd === undefined) return;
    this.#objects ??= new PackObjects(this.#fd);
    // The last comes first off the end.
    if (!this.#sorted) this.#files.sort((a, b) => b.object - a.object);
    this.#sorted = true;
    const until = performance.now() + sliceMs;
    while (performance.now() < until) {
      const file = this.#files.at(-1);
      if (file === undefined) return;
      const bytes = this.#objects.read(file.object, available, maxObjectBytes);
      if (bytes === 'later') return;
      this.#files.pop();
      yield { file, bytes };
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#objects = undefined;
  }
}

export class PromisedFiles {
  readonly #packs = new Map<RootPath, PromisingPack>();
  /** What counts of a path that was promised more than once, or came as well. */
  readonly #promised = new Map<RootPath, ObjectFile>();

  get count(): number {
    return this.#promised.size;
  }

  add({ pack, files }: ObjectPack): void {
    const promising = this.#packs.get(pack) ?? new PromisingPack();
    if (this.#packs.size >= maxPacks && !this.#packs.has(pack)) return;
    this.#packs.set(pack, promising);
    promising.add(files);
    for (const file of files) this.#promised.set(file.path, file);
  }

  /** Something else came for a path. */
  forget(path: RootPath): void {
    this.#promised.delete(path);
  }

  /** Takes out some that can be told now, with what they are. `placeOf` is undefined for a pack that is not there at all. Blocking. */
  *take(placeOf: (pack: RootPath) => PackPlace | undefined): Generator<Made, void, void> {
    for (const [pack, promising] of this.#packs) {
      const place = promising.hasFiles ? placeOf(pack) : undefined;
      if (place === undefined) continue;
      for (const made of promising.take(place)) {
        const { file } = made;
        if (this.#promised.get(file.path) !== file) continue;
        this.#promised.delete(file.path);
        yield made;
      }
    }
  }

  /** Nothing is made any more. */
  close(): void {
    for (const pack of this.#packs.values()) pack.close();
    this.#packs.clear();
    this.#promised.clear();
  }
}
