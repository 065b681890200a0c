import { Turns } from '../../protocol/base/turns.ts';
import { chunkLists } from '../../protocol/chunk/chunk-lists.ts';
import { asDigest, type Digest, digestBytes } from '../../protocol/chunk/digest.ts';
import { recordBytes } from '../../protocol/chunk/entry.ts';
import type { Manifest } from '../../protocol/chunk/manifest.ts';

/** All chunk lists of a manifest one after the other, holes included: what a thread needs of it. A few milliseconds at a time. */
export async function chunkRecords(manifest: Manifest): Promise<Uint8Array<ArrayBuffer>> {
  const turns = new Turns();
  let length = 0;
  for (const list of chunkLists(manifest)) length += list.length;
  const records = Buffer.from(new ArrayBuffer(length));
  let at = 0;
  for (const list of chunkLists(manifest)) {
    at += records.write(list, at, 'latin1');
    if (turns.over) await turns.next();
  }
  return records;
}

export interface OrdinalChunk {
  readonly ordinal: number;
  readonly digest: Digest;
  readonly length: number;
}

/** The data chunks of such records, by ordinal. */
export class RecordedChunks {
  readonly #records: Buffer;
  /** Where the record of an ordinal is. */
  readonly #starts: Uint32Array;

  constructor(records: Uint8Array) {
    this.#records = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
    const starts = new Uint32Array(records.length / recordBytes);
    let count = 0;
    for (let at = 0; at < records.length; at += recordBytes) {
      if (isHoleAt(records, at)) continue;
      starts[count] = at;
      count += 1;
    }
    this.#starts = starts.subarray(0, count);
  }

  get count(): number {
    return this.#starts.length;
  }

  at(ordinal: number): OrdinalChunk | undefined {
    const at = this.#starts[ordinal];
    if (at === undefined) return undefined;
    const digest = asDigest(this.#records.toString('latin1', at, at + digestBytes));
    return { ordinal, digest, length: this.#records.readUInt32LE(at + digestBytes) };
  }
}

function isHoleAt(records: Uint8Array, at: number): boolean {
  for (let byte = at; byte < at + digestBytes; byte += 1) if (records[byte] !== 0) return false;
  return true;
}
