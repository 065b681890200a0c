/**
 * Where a git pack has an object: asks `pack-*.idx` of version 2 (gitformat-pack(5)), some KiB a question however large it
 * is. Names are SHA-1, so spread evenly, and the place of one is guessed well.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { type NativePath } from '../base/root-path.ts';

const magic = 0xff744f63;
const idBytes = 20;
const fanoutAt = 8;
const idsAt = fanoutAt + 256 * 4;
/** Names read at once: four times how far a guess is off where a pack has a million objects. */
const windowIds = 256;

export class PackIdx {
  readonly #fd: number;
  /** Up to which object names begin with a byte, or one that is less. */
  readonly #fanout: Uint32Array;
  readonly #count: number;
  readonly #window = Buffer.allocUnsafe(windowIds * idBytes);
  readonly #number = Buffer.allocUnsafe(8);

  private constructor(fd: number, fanout: Uint32Array) {
    this.#fd = fd;
    this.#fanout = fanout;
    this.#count = fanout[255] ?? 0;
  }

  /** Undefined for what is not there, or no index of SHA-1 names in this version. Blocking. */
  static open(path: NativePath): PackIdx | undefined {
    const fd = orUndefined(() => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
    if (fd === undefined) return undefined;
    const fanout = orUndefined(() => readFanout(fd));
    if (fanout !== undefined) return new PackIdx(fd, fanout);
    closeSync(fd);
    return undefined;
  }

  /** The offset in the pack of the object of this name, 20 bytes; undefined if the pack has none, or the index cannot be read. Blocking. */
  find(id: Uint8Array): number | undefined {
    return orUndefined(() => this.#find(id));
  }

  #find(id: Uint8Array): number | undefined {
    const [first = 0, second = 0, third = 0, fourth = 0] = id;
    let low = first === 0 ? 0 : (this.#fanout[first - 1] ?? 0);
    let high = this.#fanout[first] ?? 0;
    const share = (second * 0x10000 + third * 0x100 + fourth) / 0x1000000;
    let guess = low + Math.floor(share * (high - low));
    while (low < high) {
      const from = Math.max(low, Math.min(guess - windowIds / 2, high - windowIds));
      const count = Math.min(windowIds, high - from);
      const names = this.#window.subarray(0, count * idBytes);
      if (readSync(this.#fd, names, 0, names.length, idsAt + from * idBytes) !== names.length) return undefined;
      const at = search(names, id);
      if (at === 'before') high = from;
      else if (at === 'behind') low = from + count;
      else return at === undefined ? undefined : this.#offset(from + at);
      guess = Math.floor((low + high) / 2);
    }
    return undefined;
  }

  #offset(index: number): number | undefined {
    const behindIds = idsAt + this.#count * (idBytes + 4);
    const short = this.#read(4, behindIds + index * 4)?.readUInt32BE();
    if (short === undefined || short < 0x80000000) return short;
    const long = this.#read(8, behindIds + this.#count * 4 + (short - 0x80000000) * 8)?.readBigUInt64BE();
    return long === undefined || long > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(long);
  }

  #read(bytes: number, at: number): Buffer | undefined {
    return readSync(this.#fd, this.#number, 0, bytes, at) === bytes ? this.#number : undefined;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Whoever asks does without what a disk or a server does not give. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function readFanout(fd: number): Uint32Array | undefined {
  const head = Buffer.alloc(idsAt);
  const stats = fstatSync(fd);
  if (!stats.isFile() || readSync(fd, head, 0, head.length, 0) !== head.length) return undefined;
  if (head.readUInt32BE(0) !== magic || head.readUInt32BE(4) !== 2) return undefined;
  const fanout = new Uint32Array(256);
  for (let at = 0; at < 256; at += 1) {
    fanout[at] = head.readUInt32BE(fanoutAt + at * 4);
    if ((fanout[at] ?? 0) < (fanout[at - 1] ?? 0)) return undefined;
  }
  return stats.size >= idsAt + (fanout[255] ?? 0) * (idBytes + 8) ? fanout : undefined;
}

/** Where a name is among sorted ones; undefined if it would be between two of them. */
function search(names: Buffer, id: Uint8Array): number | 'before' | 'behind' | undefined {
  let low = 0;
  let high = names.length / idBytes;
  const count = high;
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = names.compare(id, 0, idBytes, middle * idBytes, (middle + 1) * idBytes);
    if (order === 0) return middle;
    // `order` is 1 where the name in the middle sorts behind the one that is looked for.
    if (order > 0) high = middle;
    else low = middle + 1;
  }
  if (low === 0) return 'before';
  return low === count ? 'behind' : undefined;
}
