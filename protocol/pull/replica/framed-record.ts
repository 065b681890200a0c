import { digestBytes, digestOf } from '../../chunk/digest.ts';

/** A record as it lies in a file: length (u32), SHA-256 of the payload, payload. Tells a torn write from a whole one. */
export function frameRecord(payload: Buffer): Buffer {
  const head = Buffer.alloc(4 + digestBytes);
  head.writeUInt32LE(payload.length, 0);
  head.write(digestOf(payload), 4, 'latin1');
  return Buffer.concat([head, payload]);
}

/** The whole records at the start of a file's bytes, and how many bytes they take; the rest is torn. */
export function unframeRecords(bytes: Buffer): { readonly payloads: readonly Buffer[]; readonly wholeBytes: number } {
  const payloads: Buffer[] = [];
  let at = 0;
  while (at + 4 + digestBytes <= bytes.length) {
    const start = at + 4 + digestBytes;
    const end = start + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    const payload = bytes.subarray(start, end);
    if (digestOf(payload) !== bytes.toString('latin1', at + 4, start)) break;
    payloads.push(payload);
    at = end;
  }
  return { payloads, wholeBytes: at };
}
