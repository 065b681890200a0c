import type { Problem } from '../../protocol/base/errors.ts';
import { bytesOf, parentOf, type RootPath } from '../../protocol/base/root-path.ts';
import type { ObjectStat } from '../../protocol/store/object-store.ts';
import { keyPath } from './key-path.ts';

/** What a listing comes to on the node. */
export class Wanted {
  /** By path; '' when the root is one object. */
  readonly files = new Map<RootPath, ObjectStat>();
  readonly directories = new Set<RootPath>();
  readonly problems: Problem[] = [];
  /** Whether the prefix itself is marked as a directory. */
  marked = false;
  readonly #prefix: string;

  /** `prefix` of the keys that are to be relative to the root: '' or with a slash at its end. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  add(object: ObjectStat): void {
    const relative = object.key.slice(this.#prefix.length);
    if (relative === '') {
      this.marked = true;
      return;
    }
    const place = keyPath(relative);
    if (place.type === 'unsafe') {
      // Its path is none: nobody could name it as one.
      this.#problem('', `the key "${shown(relative)}" cannot be a path: ${place.why}`);
      return;
    }
    if (place.type === 'directory') {
      // Bytes under a key that ends with a slash have no file to lie in.
      if (object.size > 0) this.#problem(place.path, 'this key ends with a slash and has bytes');
      this.#directory(place.path);
      return;
    }
    this.files.set(place.path, object);
    this.#directory(parentOf(place.path));
  }

  /** After the last object: where a name is an object and a directory, it is a directory. */
  settle(): void {
    for (const path of this.directories) {
      const file = this.files.get(path);
      if (file === undefined) continue;
      this.files.delete(path);
      if (file.size > 0) this.#problem(path, 'this key is an object, and there are others below it');
    }
  }

  /** A file turned out to be a directory. */
  isDirectory(path: RootPath): void {
    this.files.delete(path);
    this.directories.add(path);
  }

  /** Takes out what lies at and below the paths `inner`; returns those where there was something. */
  leaveOut(inner: ReadonlySet<RootPath>): readonly RootPath[] {
    const left = new Set<RootPath>();
    if (inner.size === 0) return [];
    for (const paths of [this.files, this.directories])
      for (const path of paths.keys()) {
        const at = [...inner].find((one) => path === one || path.startsWith(`${one}/`));
        if (at === undefined) continue;
        paths.delete(path);
        left.add(at);
      }
    return [...left].sort();
  }

  #directory(path: RootPath): void {
    for (let at = path; at !== '' && !this.directories.has(at); at = parentOf(at)) this.directories.add(at);
  }

  #problem(path: RootPath, message: string): void {
    this.problems.push({ path, code: 'unsafe-key', message });
  }
}

/** A key can have 1,024 bytes; its beginning and its end tell which it is. */
function shown(key: string): string {
  const bytes = bytesOf(key);
  return bytes.length > 120 ? `${bytes.slice(0, 80)}...${bytes.slice(-20)}` : bytes;
}
