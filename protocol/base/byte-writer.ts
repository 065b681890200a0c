/** Builds one buffer out of little-endian numbers and latin1-held strings. Grows by doubling. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(4096);
  #at = 0;

  get length(): number {
    return this.#at;
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
    this.#buffer.writeUInt32LE(value, at);
  }

  /** Any safe integer, negative too. */
  i64(value: number): void {
    const at = this.#need(8);
    this.#buffer.writeBigInt64LE(BigInt(value), at);
  }

  /** Length (u32), then the bytes of a latin1-held string. */
  text(value: string): void {
    this.u32(value.length);
    const at = this.#need(value.length);
    this.#buffer.write(value, at, 'latin1');
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
