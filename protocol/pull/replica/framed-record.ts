import { ByteWriter } from '../../base/byte-writer.ts';
import { digestBytes, digestOf } from '../../chunk/digest.ts';

const headBytes = 4 + digestBytes;

/** A record as it lies in a file: length (u32), SHA-256 of the payload, payload. Tells a torn write from a whole one. */
export function frameRecord(payload: Buffer): Buffer {
  return Buffer.concat([headOf(payload), payload]);
}

/** The same of what `write` writes, some `bytes` long: not copied, for that may be tens of megabytes. */
export function frameInPlace(write: (writer: ByteWriter) => void, bytes: number): Buffer {
  const writer = new ByteWriter(headBytes + bytes);
  writer.skip(headBytes);
  write(writer);
  const framed = writer.bytes();
  framed.set(headOf(framed.subarray(headBytes)));
  return framed;
}

function headOf(payload: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(payload.length, 0);
  head.write(digestOf(payload), 4, 'latin1');
  return head;
}

/** The whole records at the start of a file's bytes, and how many bytes they take; the rest is torn. */
export function unframeRecords(bytes: Buffer): { readonly payloads: readonly Buffer[]; readonly wholeBytes: number } {
  const payloads: Buffer[] = [];
  let at = 0;
  while (at + headBytes <= bytes.length) {
    const start = at + headBytes;
    const end = start + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    const payload = bytes.subarray(start, end);
    if (digestOf(payload) !== bytes.toString('latin1', at + 4, start)) break;
    payloads.push(payload);
    at = end;
  }
  return { payloads, wholeBytes: at };
}
