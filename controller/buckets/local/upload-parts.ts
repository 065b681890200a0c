import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { localTraits } from '../../../protocol/store/link/local-traits.ts';
import { writeAll } from './staged-file.ts';

const copyBytes = 1 << 20;

interface Part {
  readonly size: number;
  /** In a file of its own: it came before it was known where it goes. */
  readonly own: boolean;
  /** Bytes that are there, by their offset; undefined once all are. */
  pieces: Map<number, number> | undefined;
  /** Of all pieces, also where they overlap. */
  bytes: number;
}

/** Pieces of parts that are not whole, all together. */
const maxLoosePieces = 4096;

/**
 * The parts of one upload, in `uploads/ID/`. All but the last have one size, the first one's: so a part's place in the
 * file is known once the first was begun, and it is written there at once.
 */
export class UploadParts {
  readonly #directory: string;
  readonly #file: FileHandle;
  readonly #parts = new Map<number, Part>();
  #partBytes: number | undefined;
  #loosePieces = 0;

  private constructor(directory: string, file: FileHandle) {
    this.#directory = directory;
    this.#file = file;
  }

  /** Makes the directory. */
  static async open(directory: string): Promise<UploadParts> {
    await mkdir(directory, { mode: 0o700 });
    return new UploadParts(directory, await open(`${directory}/data`, 'wx+', 0o644));
  }

  get path(): string {
    return `${this.#directory}/data`;
  }

  /** Writes a piece of a part of `size` bytes. The part is there when all its pieces are. */
  async write(number: number, size: number, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const part = this.#begin(number, size);
    if (offset + bytes.length > size) throw refused(`${bytes.length} bytes at ${offset} of a part of ${size}`);
    const start = part.own ? 0 : (number - 1) * (this.#partBytes ?? size);
    const own = part.own ? await open(this.#ownPath(number), constants.O_WRONLY | constants.O_CREAT, 0o600) : undefined;
    if (own === undefined) await writeAll(this.#file, bytes, start + offset);
    else await this.#writeOwn(own, bytes, offset);
    this.#arrived(part, offset, bytes.length);
  }

  /** All parts joined: closes over gaps with an error. The caller closes the file, or takes it over. */
  async join(signal: AbortSignal): Promise<FileHandle> {
    const count = this.#parts.size;
    const partBytes = this.#partBytes;
    if (count === 0 || partBytes === undefined) throw refused('it has no first part');
    let total = 0;
    for (let number = 1; number <= count; number += 1) {
      const part = this.#parts.get(number);
      if (part === undefined) throw refused(`part ${number} of ${count} is missing`);
      if (part.pieces !== undefined) throw refused(`part ${number} of ${count} is not whole`);
      if (part.size > partBytes || (part.size < partBytes && number < count))
        throw refused(`part ${number} of ${count} has ${part.size} bytes, the first has ${partBytes}`);
      if (part.own) await this.#copyIn(number, part.size, (number - 1) * partBytes, signal);
      total += part.size;
    }
    // What was sent twice may have been longer.
    await this.#file.truncate(total);
    return this.#file;
  }

  async remove(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Where a part goes is decided before anything is waited for. */
  #begin(number: number, size: number): Part {
    if (number < 1 || number > localTraits.maxParts || size > localTraits.maxPartBytes)
      throw refused(`part ${number} of ${size} bytes`);
    const known = this.#parts.get(number);
    if (known?.size === size) return known;
    if (number === 1 && this.#partBytes !== undefined && this.#parts.size > 1)
      throw refused(`its first part had ${this.#partBytes} bytes, and has ${size} now`);
    if (number === 1) this.#partBytes = size;
    else if (this.#partBytes !== undefined && size > this.#partBytes)
      throw refused(`part ${number} has ${size} bytes, the first has ${this.#partBytes}`);
    this.#loosePieces -= known?.pieces?.size ?? 0;
    const part: Part = { size, own: this.#partBytes === undefined, pieces: new Map(), bytes: 0 };
    this.#parts.set(number, part);
    return part;
  }

  #arrived(part: Part, offset: number, length: number): void {
    const { pieces } = part;
    if (pieces === undefined) return;
    const before = pieces.get(offset);
    if (before === undefined) this.#loosePieces += 1;
    pieces.set(offset, length);
    part.bytes += length - (before ?? 0);
    if (part.bytes >= part.size && isWhole(part.size, pieces)) {
      this.#loosePieces -= pieces.size;
      part.pieces = undefined;
    }
    if (this.#loosePieces > maxLoosePieces) throw refused(`${this.#loosePieces} pieces of parts that are not whole`);
  }

  #ownPath(number: number): string {
    return `${this.#directory}/${number}`;
  }

  async #writeOwn(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
    try {
      await writeAll(file, bytes, offset);
    } finally {
      await file.close();
    }
  }

  async #copyIn(number: number, size: number, to: number, signal: AbortSignal): Promise<void> {
    const own = await open(this.#ownPath(number), 'r');
    try {
      const bytes = Buffer.allocUnsafe(Math.min(copyBytes, size));
      for (let at = 0; at < size; ) {
        throwIfAborted(signal);
        const { bytesRead } = await own.read(bytes, 0, Math.min(bytes.length, size - at), at);
        if (bytesRead === 0) throw refused(`part ${number} is shorter than it was`);
        await writeAll(this.#file, bytes.subarray(0, bytesRead), to + at);
        at += bytesRead;
      }
    } finally {
      await own.close();
    }
  }
}

function isWhole(size: number, pieces: ReadonlyMap<number, number>): boolean {
  let at = 0;
  for (const [offset, length] of [...pieces].sort(([a], [b]) => a - b)) {
    if (offset > at) return false;
    at = Math.max(at, offset + length);
  }
  return at >= size;
}

function refused(why: string): TowError {
  return new TowError('store-failed', `the upload is refused: ${why}`);
}
