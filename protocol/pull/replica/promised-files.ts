/**
 * Files that a source does not send because they are objects of a git pack that it sends as well: made from that as soon as
 * it has come so far. One that cannot be made is simply not there, and asked for later like any other.
 */
import { closeSync, fstatSync } from 'node:fs';
import { type NativePath, type RootPath } from '../../base/root-path.ts';
import { maxObjectBytes, type ObjectFile, type ObjectPack } from '../../chunk/file-pack.ts';
import { PackObjects } from '../../git/pack-objects.ts';
import { openForReading } from './file-content.ts';

/** How long files are made at once, in ms: what comes in meanwhile should not wait for long. */
const sliceMs = 10;

/** Each is an open file; a repository has some, a few for each clone and fetch. */
const maxPacks = 64;

/** Of what is remembered, about: what is promised beyond that is not made. A promise takes some, and each length. */
const maxBytes = 512 << 20;
const promiseBytes = 200;
const lengthBytes = 8;

/** Where a git pack is, and how many bytes of it are there; all of it if undefined. */
export interface PackPlace {
  readonly where: NativePath;
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

function costsOf({ path, lengths }: ObjectFile): number {
  return promiseBytes + path.length + lengthBytes * lengths.length;
}

class PromisingPack {
  /** By offset from the last to the first, but for those that came since. */
  readonly #files: ObjectFile[] = [];
  #sorted = true;
  #fd: number | undefined;
  #objects: PackObjects | undefined;

  add(file: ObjectFile): void {
    this.#files.push(file);
    this.#sorted = false;
  }

  /** The next file by offset that still counts. */
  next(counts: (file: ObjectFile) => boolean): ObjectFile | undefined {
    if (!this.#sorted) this.#files.sort((a, b) => b.object - a.object);
    this.#sorted = true;
    for (;;) {
      const file = this.#files.at(-1);
      if (file === undefined || counts(file)) return file;
      this.#files.pop();
    }
  }

  /** What the next file is; 'later' if that cannot be told yet. Takes it out if it can. */
  read(file: ObjectFile, { where, available }: PackPlace): Buffer | 'later' | undefined {
    const objects = this.#open(where);
    const bytes = objects === undefined ? 'later' : objects.read(file.object, available, maxObjectBytes);
    if (bytes !== 'later') this.#files.pop();
    return bytes;
  }

  #open(where: NativePath): PackObjects | undefined {
    if (this.#objects !== undefined) return this.#objects;
    const fd = openForReading(where);
    if (fd === undefined) return undefined;
    if (!fstatSync(fd).isFile()) {
      closeSync(fd);
      return undefined;
    }
    this.#fd = fd;
    this.#objects = new PackObjects(fd);
    return this.#objects;
  }

  /** Another pack is read now. */
  rest(): void {
    this.#objects?.forget();
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
  /** The pack that was read last: the only one that keeps objects. */
  #reading: PromisingPack | undefined;
  #bytes = 0;

  add({ pack, files }: ObjectPack): void {
    const promising = this.#packs.get(pack) ?? new PromisingPack();
    if (this.#packs.size >= maxPacks && !this.#packs.has(pack)) return;
    this.#packs.set(pack, promising);
    for (const file of files) {
      if (this.#bytes > maxBytes) return;
      this.#bytes += costsOf(file);
      promising.add(file);
      this.#promised.set(file.path, file);
    }
  }

  /** Whether anything may be made, now or later. */
  get any(): boolean {
    return this.#promised.size > 0;
  }

  /** Something else came for a path. */
  forget(path: RootPath): void {
    this.#promised.delete(path);
  }

  /**
   * For some ms tells `onMade` what became of promises. `placeOf` is undefined for a pack that is not there at all. Returns
   * whether there may be more to tell at once. Blocking.
   */
  take(placeOf: (pack: RootPath) => PackPlace | undefined, onMade: (made: Made) => void): boolean {
    const until = performance.now() + sliceMs;
    const counts = (file: ObjectFile): boolean => {
      if (this.#promised.get(file.path) === file) return true;
      this.#bytes -= costsOf(file);
      return false;
    };
    for (const [pack, promising] of this.#packs) {
      let file = promising.next(counts);
      const place = file === undefined ? undefined : placeOf(pack);
      if (place === undefined) continue;
      if (this.#reading !== promising) this.#reading?.rest();
      this.#reading = promising;
      for (; file !== undefined; file = promising.next(counts)) {
        if (performance.now() >= until) return true;
        const bytes = promising.read(file, place);
        if (bytes === 'later') break;
        this.#promised.delete(file.path);
        this.#bytes -= costsOf(file);
        onMade({ file, bytes });
      }
    }
    return false;
  }

  /** Nothing is made any more. */
  close(): void {
    for (const pack of this.#packs.values()) pack.close();
    this.#packs.clear();
    this.#promised.clear();
    this.#reading = undefined;
  }
}
