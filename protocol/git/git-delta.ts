/**
 * Makes an object from its base and a delta (gitformat-pack(5), "Deltified representation"): sizes of both, then ranges to
 * copy from the base and bytes to insert.
 */

/** Undefined for a delta that is malformed, or not from this base, or not of an object of `size` bytes. */
export function applyGitDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer | undefined {
  const reader = { at: 0 };
  const before = sizeAt(delta, reader);
  const size = sizeAt(delta, reader);
  if (before !== base.length || size === undefined || size > maxBytes) return undefined;
  const made = Buffer.allocUnsafe(size);
  let to = 0;
  let { at } = reader;
  while (at < delta.length) {
    const code = delta[at++] ?? 0;
    if (code === 0) return undefined;
    if (code < 0x80) {
      if (at + code > delta.length || to + code > size) return undefined;
      delta.copy(made, to, at, at + code);
      at += code;
      to += code;
      continue;
    }
    let from = 0;
    let length = 0;
    for (let byte = 0; byte < 4; byte += 1)
      if ((code & (1 << byte)) !== 0) from += (delta[at++] ?? 0) * 2 ** (8 * byte);
    for (let byte = 0; byte < 3; byte += 1)
      if ((code & (0x10 << byte)) !== 0) length += (delta[at++] ?? 0) * 2 ** (8 * byte);
    if (length === 0) length = 0x10000;
    if (at > delta.length || from + length > base.length || to + length > size) return undefined;
    base.copy(made, to, from, from + length);
    to += length;
  }
  return to === size ? made : undefined;
}

/** The size that a delta says its object has; undefined if it is cut off. */
function sizeAt(delta: Buffer, reader: { at: number }): number | undefined {
  let value = 0;
  for (let unit = 1; unit <= 2 ** 42; unit *= 0x80) {
    const byte = delta[reader.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * unit;
    if (byte < 0x80) return value;
  }
  return undefined;
}
