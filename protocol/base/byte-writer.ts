/** Up to this many characters are put one by one: a call out of JavaScript takes longer. */
const shortText = 24;

/** Builds one buffer out of little-endian numbers and latin1-held strings. Grows by doubling. */
export class ByteWriter {
  #buffer: Buffer;
  #at = 0;

  /** `bytes` is what it will come to, as far as that is known: growing copies all there is. */
  constructor(bytes = 4096) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  get length(): number {
    return this.#at;
  }

  /** Leaves room for as many bytes, to be filled in `bytes()`. */
  skip(bytes: number): void {
    this.#need(bytes);
  }

  /** Makes room and returns where it is; `#buffer` may be another one afterwards. */
  #need(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#at = at + bytes;
    return at;
  }

  u8(value: number): void {
    const at = this.#need(1);
    this.#buffer[at] = value;
  }

  u32(value: number): void {
    const at = this.#need(4);
    this.#put32(value, at);
  }

  #put32(value: number, at: number): void {
    const buffer = this.#buffer;
    buffer[at] = value;
    buffer[at + 1] = value >>> 8;
    buffer[at + 2] = value >>> 16;
    buffer[at + 3] = value >>> 24;
  }

  /** Any safe integer, negative too. */
  i64(value: number): void {
    const at = this.#need(8);
    const high = Math.floor(value / 0x1_0000_0000);
    this.#put32(value - high * 0x1_0000_0000, at);
    this.#put32(high, at + 4);
  }

  /** Length (u32), then the bytes of a latin1-held string. */
  text(value: string): void {
    this.u32(value.length);
    this.raw(value);
  }

  /** The bytes of a latin1-held string. */
  raw(value: string): void {
    const at = this.#need(value.length);
    const buffer = this.#buffer;
    if (value.length > shortText) buffer.write(value, at, 'latin1');
    else for (let index = 0; index < value.length; index += 1) buffer[at + index] = value.charCodeAt(index);
  }

  /** Length (u32), then the bytes. */
  blob(bytes: Buffer): void {
    this.u32(bytes.length);
    const at = this.#need(bytes.length);
    bytes.copy(this.#buffer, at);
  }

  /** The bytes written so far; shares memory with the writer. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }
}
