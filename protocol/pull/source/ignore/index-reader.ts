import { TowError } from '../../../base/errors.ts';

/** Reads git's big-endian records. Running past the end throws `bad-message`, never reads beyond. */
export class IndexReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  /** Moves on; the bytes there begin at the number returned. */
  skip(count: number): number {
    const at = this.#at;
    if (count > this.left)
      throw new TowError('bad-message', `truncated at byte ${at}: ${count} bytes wanted of ${this.left}`);
    this.#at = at + count;
    return at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.skip(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.skip(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.skip(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.skip(8));
  }

  text(count: number): string {
    const at = this.skip(count);
    return this.#bytes.toString('latin1', at, at + count);
  }

  /** From where to where the bytes up to the next NUL lie, which is skipped. */
  toNul(): readonly [from: number, to: number] {
    const from = this.#at;
    const to = this.#bytes.indexOf(0, from);
    if (to < 0 || to >= this.#end) throw new TowError('bad-message', `name without an end at byte ${from}`);
    this.#at = to + 1;
    return [from, to];
  }

  /** git's offset encoding, as in packs: each further byte adds one. */
  offset(): number {
    let byte = this.u8();
    let value = byte & 0x7f;
    while (byte >= 0x80) {
      if (value >= 1 << 23) throw new TowError('bad-message', `number too large at byte ${this.#at}`);
      byte = this.u8();
      value = ((value + 1) << 7) | (byte & 0x7f);
    }
    return value;
  }
}
