/** Of the memory of a frame: what may lie before its payload; and from where on it is not shared with other frames. */
const headerBytes = 64;
const aloneFromBytes = 64 << 10;

/** The memory of a frame that has some to itself, to be given away instead of copied. */
export function ownMemory({ buffer, byteOffset, byteLength }: Buffer): readonly ArrayBuffer[] {
  const alone =
    byteLength > aloneFromBytes && byteOffset <= headerBytes && byteOffset + byteLength === buffer.byteLength;
  return alone && buffer instanceof ArrayBuffer ? [buffer] : [];
}
