import { TowError } from '../base/errors.ts';

/** Grows a buffer of unsigned LEB128 numbers and raw bytes. */
export class VarintWriter {
  #buffer = Buffer.allocUnsafe(256);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }

  /** A safe integer, not negative. */
  number(value: number): void {
    this.#reserve(8);
    let left = value;
    while (left >= 0x80) {
      this.#buffer[this.#at++] = (left % 0x80) | 0x80;
      left = left < 2 ** 31 ? left >>> 7 : Math.floor(left / 0x80);
    }
    this.#buffer[this.#at++] = left;
  }

  /** An integer of either sign, up to 2^52: zigzag, so that small ones stay short. */
  signed(value: number): void {
    this.number(value < 0 ? -value * 2 - 1 : value * 2);
  }

  /** The characters of a latin1-held string, from `from`, without a length. */
  latin1(text: string, from = 0): void {
    this.#reserve(text.length - from);
    this.#at += this.#buffer.write(from === 0 ? text : text.slice(from), this.#at, 'latin1');
  }

  /** What was written; shares memory with the writer. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }
}

/** Reads what a `VarintWriter` wrote; anything malformed, or beyond the end, is `bad-message`. */
export class VarintReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get left(): number {
    return this.#buffer.length - this.#at;
  }

  number(): number {
    let value = 0;
    for (let unit = 1; unit <= 2 ** 49; unit *= 0x80) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) throw new TowError('bad-message', 'a number is cut off');
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw new TowError('bad-message', 'a number is beyond 2^53');
  }

  signed(): number {
    const value = this.number();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** The next `length` bytes; shares memory with the buffer. */
  bytes(length: number): Buffer {
    if (length > this.left) throw new TowError('bad-message', `${length} bytes wanted, ${this.left} left`);
    this.#at += length;
    return this.#buffer.subarray(this.#at - length, this.#at);
  }

  /** The next `length` bytes as a latin1-held string of its own. */
  latin1(length: number): string {
    if (length > this.left) throw new TowError('bad-message', `${length} bytes wanted, ${this.left} left`);
    this.#at += length;
    return this.#buffer.toString('latin1', this.#at - length, this.#at);
  }

  /** Throws `bad-message` unless everything was read. */
  end(): void {
    if (this.left > 0) throw new TowError('bad-message', `${this.left} bytes too many`);
  }
}
