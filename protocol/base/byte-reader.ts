import { TowError } from './errors.ts';

/** Reads what `ByteWriter` wrote. Running past the end throws `bad-message`, never reads beyond. */
export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get done(): boolean {
    return this.#at === this.#buffer.length;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#buffer.length)
      throw new TowError('bad-message', `truncated record: ${bytes} bytes wanted at ${at} of ${this.#buffer.length}`);
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  i64(): number {
    const at = this.#take(8);
    return this.#buffer.readInt32LE(at + 4) * 0x1_0000_0000 + this.#buffer.readUInt32LE(at);
  }

  /** Shares memory with what is read. */
  blob(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  /** Reads over a text or a blob. */
  skipText(): void {
    this.#take(this.u32());
  }

  /** The bytes that `read` goes over, latin1-held. */
  span(read: (reader: this) => void): string {
    const from = this.#at;
    read(this);
    return this.#buffer.toString('latin1', from, this.#at);
  }

  text(): string {
    const length = this.u32();
    const at = this.#take(length);
    return this.#buffer.toString('latin1', at, at + length);
  }
}
