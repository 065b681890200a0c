import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { writeAll } from '../../protocol/pull/replica/durable-file.ts';
import type { PosixMetadata } from '../../protocol/store/posix-metadata.ts';
import { applyPosix } from './apply-posix.ts';
import type { ChecksumHash } from './checksum-hash.ts';

const mib = 1 << 20;

/**
 * Bytes of one request of a large object: many enough to fill a line, and not so many that the service's work for each is
 * what takes the time.
 */
export function rangeBytesOf(size: number): number {
  return (size < 1024 * mib ? 8 : 32) * mib;
}

const done = 1;
const readBytes = mib;

/**
 * A large object on its way: `.part` takes its ranges in any order, `.done` has a byte for each that is whole, so that a
 * run that is killed loses the ranges it was at. All methods block.
 */
export class PartFile implements Disposable {
  /** Indexes of the ranges that lack. */
  readonly lacking: readonly number[];
  readonly size: number;
  readonly #rangeBytes: number;
  readonly #path: string;
  readonly #fd: number;
  readonly #doneFd: number;
  readonly #done: Buffer;
  #left: number;
  #hashed = 0;

  /** `path`: where the object is to be staged, latin1. */
  constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
    this.#rangeBytes = rangeBytesOf(size);
    const ranges = Math.ceil(size / this.#rangeBytes);
    this.#fd = openSync(this.#name('part'), constants.O_RDWR | constants.O_CREAT, 0o600);
    // Of a file that is not there any more, or of another size, `.done` says nothing.
    const started = fstatSync(this.#fd).size === size;
    this.#doneFd = openSync(
      this.#name('done'),
      constants.O_RDWR | constants.O_CREAT | (started ? 0 : constants.O_TRUNC),
      0o600,
    );
    const known = readFileSync(this.#name('done'));
    this.#done = Buffer.alloc(ranges);
    known.copy(this.#done, 0, 0, ranges);
    this.lacking = [...this.#done.keys()].filter((at) => this.#done[at] !== done);
    this.#left = this.lacking.length;
    ftruncateSync(this.#fd, size);
  }

  range(index: number): { readonly start: number; readonly end: number } {
    return { start: index * this.#rangeBytes, end: Math.min(this.size, (index + 1) * this.#rangeBytes) };
  }

  write(position: number, bytes: Uint8Array): void {
    writeAll(this.#fd, bytes, position);
  }

  /** A range is whole. Returns whether all are. */
  finishRange(index: number): boolean {
    this.#done[index] = done;
    writeSync(this.#doneFd, this.#done, index, 1, index);
    this.#left -= 1;
    return this.#left === 0;
  }

  /**
   * Hashes on as far as the ranges at the front are whole, from the page cache. The same `hash` each time.
   */
  hashOn(hash: ChecksumHash): void {
    const buffer = Buffer.allocUnsafe(readBytes);
    while (this.#hashed < this.size && this.#done[Math.floor(this.#hashed / this.#rangeBytes)] === done) {
      const { end } = this.range(Math.floor(this.#hashed / this.#rangeBytes));
      const bytes = readSync(this.#fd, buffer, 0, Math.min(readBytes, end - this.#hashed), this.#hashed);
      hash.update(buffer.subarray(0, bytes));
      this.#hashed += bytes;
    }
  }

  /** Gives the finished file its times and its name in the stage. */
  finish(posix: PosixMetadata): void {
    applyPosix(this.#fd, posix);
    renameSync(this.#name('part'), Buffer.from(this.#path, 'latin1'));
    rmSync(this.#name('done'), { force: true });
  }

  /** What came is of no use. */
  discard(): void {
    rmSync(this.#name('part'), { force: true });
    rmSync(this.#name('done'), { force: true });
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
    closeSync(this.#doneFd);
  }

  #name(suffix: 'part' | 'done'): Buffer {
    return Buffer.from(`${this.#path}.${suffix}`, 'latin1');
  }
}
