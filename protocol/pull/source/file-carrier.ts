/** Packs files, or parts of large ones, as they are read, so that nobody reads them again. Runs in a worker thread; blocking. */
import type { Hash } from 'node:crypto';
import type { RootPath } from '../../base/root-path.ts';
import { splitNs } from '../../base/split-ns.ts';
import { encodeFilePackHeader, encodeObjectPack, type ObjectFile, type PackedFile } from '../../chunk/file-pack.ts';
import type { PackCodec } from '../../chunk/pack.ts';
import type { OpenFile } from '../../libc/open-file.ts';
import { compress } from './compress.ts';
import type { PackedContents } from './packed-contents.ts';
import type { CarriedPack, Carry } from './tasks.ts';

/** Of one frame beside its body, at most about this much. */
const headerBytes = 32 << 10;

/** Files whose bytes lie one after the other from `from` on. */
interface Group {
  readonly from: number;
  readonly files: PackedFile[];
  bytes: number;
  headerBytes: number;
}

/** Files that are objects of a git pack. */
interface Named {
  readonly files: ObjectFile[];
  headerBytes: number;
}

export class FileCarrier {
  readonly #carry: Carry;
  readonly #into: Buffer;
  readonly #groups: Group[] = [];
  readonly #packed: PackedContents | undefined;
  readonly #named = new Map<RootPath, Named>();
  readonly #frames: Buffer[] = [];
  /** Of the file that is being read. */
  #name: Hash | undefined;
  #filled = 0;
  /** Where the file that is being read ends so far; undefined if it is not carried. */
  #end: number | undefined;

  /** What `packed` has is named and not carried. */
  constructor(carry: Carry, packed?: PackedContents) {
    this.#carry = carry;
    this.#into = Buffer.from(carry.into);
    this.#packed = packed;
  }

  /** A file begins, or begins anew; what came of one that did not end is forgotten. `size` is that of one which is read as a whole. */
  begin(size?: number): void {
    this.#end = this.#filled;
    this.#name = size === undefined ? undefined : this.#packed?.nameOf(size);
  }

  /** The next bytes of the file. They are copied. */
  add(bytes: Buffer): void {
    this.#name?.update(bytes);
    if (this.#end === undefined) return;
    const end = this.#end + bytes.length;
    this.#end = end > this.#into.length ? undefined : end;
    if (this.#end !== undefined) bytes.copy(this.#into, end - bytes.length);
  }

  /** The file cannot be carried: it has holes. */
  drop(): void {
    this.#end = undefined;
    this.#name = undefined;
  }

  /** The file, or the part of it from `offset` on, was read to its end and did not change meanwhile. */
  end(
    path: RootPath,
    stats: Pick<OpenFile, 'mode' | 'mtimeNs' | 'size'>,
    offset: number,
    lengths: readonly number[],
  ): void {
    const found = this.#name === undefined ? undefined : this.#packed?.find(this.#name);
    if (this.#end === undefined && found === undefined) return;
    const bytes = sum(lengths);
    const { sec, nsec } = splitNs(stats.mtimeNs);
    const costs = path.length + 4 * (lengths.length + 6);
    const file = {
      path,
      mode: stats.mode & 0o7777,
      mtimeSec: sec,
      mtimeNsec: nsec,
      offset,
      rest: stats.size - offset - bytes,
      lengths,
    };
    if (found !== undefined) this.#nameAs(found.pack, { ...file, object: found.object }, costs);
    else if (this.#end !== undefined) {
      const group = this.#groupFor(bytes, costs);
      group.files.push(file);
      group.bytes += bytes;
      group.headerBytes += costs;
      this.#filled = this.#end;
    }
    this.#end = undefined;
    this.#name = undefined;
  }

  #nameAs(pack: RootPath, file: ObjectFile, costs: number): void {
    const named = this.#named.get(pack) ?? { files: [], headerBytes: 0 };
    this.#named.set(pack, named);
    if (named.files.length > 0 && named.headerBytes + costs > headerBytes) {
      this.#frames.push(encodeObjectPack({ pack, files: named.files.splice(0) }));
      named.headerBytes = 0;
    }
    named.files.push(file);
    named.headerBytes += costs;
  }

  #groupFor(bytes: number, costs: number): Group {
    const last = this.#groups.at(-1);
    if (last !== undefined && last.bytes + bytes <= this.#mostRaw && last.headerBytes + costs <= headerBytes)
      return last;
    const group = { from: this.#filled, files: [], bytes: 0, headerBytes: 0 };
    this.#groups.push(group);
    return group;
  }

  /** What is compressed may be longer before. */
  get #mostRaw(): number {
    return this.#carry.quality === undefined ? this.#carry.maxBytes : this.#into.length;
  }

  /** The packs, whose bodies lie in the carry's memory. */
  packs(): CarriedPack[] {
    for (const [pack, { files }] of this.#named) this.#frames.push(encodeObjectPack({ pack, files }));
    const named = this.#frames.map((frame) => ({ header: new Uint8Array(frame), from: 0, length: 0, rawBytes: 0 }));
    return [...named, ...this.#groups.flatMap((group) => this.#pack(group))];
  }

  #pack({ from, files, bytes }: Group): CarriedPack[] {
    const { quality, maxBytes } = this.#carry;
    const packed = quality === undefined ? undefined : compress(this.#into.subarray(from, from + bytes), quality);
    if (packed === undefined || packed.length > maxBytes) return [...rawPacks(files, from, maxBytes)];
    packed.copy(this.#into, from);
    return [packOf('brotli', files, from, packed.length, bytes)];
  }
}

/** Raw, in frames that are not too long. */
function* rawPacks(files: readonly PackedFile[], from: number, maxBytes: number): Generator<CarriedPack, void, void> {
  let start = from;
  let some: PackedFile[] = [];
  let bytes = 0;
  for (const piece of files.flatMap((file) => [...piecesOf(file, maxBytes)])) {
    const size = sum(piece.lengths);
    if (some.length > 0 && bytes + size > maxBytes) {
      yield packOf('raw', some, start, bytes, bytes);
      start += bytes;
      some = [];
      bytes = 0;
    }
    some.push(piece);
    bytes += size;
  }
  if (some.length > 0) yield packOf('raw', some, start, bytes, bytes);
}

/** A file in pieces of whole chunks, none longer than `maxBytes`; no chunk is. */
function* piecesOf(file: PackedFile, maxBytes: number): Generator<PackedFile, void, void> {
  const size = sum(file.lengths);
  let before = 0;
  let lengths: number[] = [];
  let bytes = 0;
  for (const length of file.lengths) {
    if (bytes + length > maxBytes) {
      yield { ...file, offset: file.offset + before, rest: file.rest + size - before - bytes, lengths };
      before += bytes;
      lengths = [];
      bytes = 0;
    }
    lengths.push(length);
    bytes += length;
  }
  yield { ...file, offset: file.offset + before, rest: file.rest, lengths };
}

function packOf(
  codec: PackCodec,
  files: readonly PackedFile[],
  from: number,
  length: number,
  rawBytes: number,
): CarriedPack {
  return { header: new Uint8Array(encodeFilePackHeader(codec, rawBytes, files)), from, length, rawBytes };
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total + length, 0);
}
