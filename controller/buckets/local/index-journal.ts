import type { FileHandle } from 'node:fs/promises';
import { frameRecord } from '../../../protocol/pull/replica/framed-record.ts';
import { encodeRecord, type IndexRecord } from './index-record.ts';

/** Records framed together: a frame is whole or not there. */
const frameBytes = 256 << 10;

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/** The end of an index, to which records are added. Those that come while the disk is busy share one fsync. */
export class IndexJournal {
  readonly #beforeSync: () => Promise<void>;
  #file: FileHandle;
  #length = 0;
  #queue: Buffer[] = [];
  #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;
  #next: { readonly file: FileHandle; readonly swapped: () => void } | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `file` is empty. What `beforeSync` makes durable is durable before any record that is waited for. */
  constructor(file: FileHandle, beforeSync: () => Promise<void>) {
    this.#file = file;
    this.#beforeSync = beforeSync;
  }

  /** Bytes of the file. */
  get length(): number {
    return this.#length;
  }

  /** Resolves when the record is on the disk. When it rejects the record is not there, or the file takes no more. */
  async append(record: IndexRecord): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#push(record);
    });
  }

  /** Adds a record that may get lost with the power, never before one that was added earlier. */
  note(record: IndexRecord): void {
    this.#push(record);
  }

  /** From here on records go to another file, which is empty. */
  async rotate(file: FileHandle): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#next = { file, swapped: resolve };
      this.#draining ??= this.#drain();
    });
  }

  /** All that was added is in the file; what is added later is not taken. */
  async close(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
    this.#failure ??= { error: new Error('the index was closed') };
    await this.#file.sync();
    await this.#file.close();
  }

  #push(record: IndexRecord): void {
    this.#queue.push(encodeRecord(record));
    this.#draining ??= this.#drain();
  }

  /** Never rejects. */
  async #drain(): Promise<void> {
    // What is added in the same turn goes with it.
    await Promise.resolve();
    while (this.#queue.length > 0 || this.#next !== undefined) {
      await this.#swap();
      const [records, waiting] = [this.#queue, this.#waiting];
      [this.#queue, this.#waiting] = [[], []];
      try {
        await this.#write(records, waiting.length > 0);
        for (const one of waiting) one.resolve();
      } catch (error) {
        for (const one of waiting) one.reject(error);
      }
    }
    this.#draining = undefined;
  }

  async #swap(): Promise<void> {
    const next = this.#next;
    if (next === undefined) return;
    const old = this.#file;
    [this.#file, this.#length, this.#next] = [next.file, 0, undefined];
    // The checkpoint that makes it needless is not written yet.
    await old.sync().catch((error: unknown) => {
      this.#failure ??= { error };
    });
    await old.close().catch(() => undefined);
    next.swapped();
  }

  async #write(records: readonly Buffer[], sync: boolean): Promise<void> {
    if (records.length === 0) return;
    if (this.#failure !== undefined) throw this.#failure.error;
    const bytes = Buffer.concat(framesOf(records));
    if (sync) await this.#beforeSync();
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#length + at);
        at += bytesWritten;
      }
    } catch (error) {
      // Half a frame is no frame, and the next one is written over it; a whole one must not stay.
      await this.#file.truncate(this.#length).catch((cause: unknown) => {
        this.#failure = { error: cause };
      });
      throw error;
    }
    this.#length += bytes.length;
    if (!sync) return;
    try {
      await this.#file.datasync();
    } catch (error) {
      // What the disk has now is not known, and the kernel says it only once.
      this.#failure = { error };
      throw error;
    }
  }
}

/** Records, several a frame. */
export function framesOf(records: readonly Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  let from = 0;
  let bytes = 0;
  records.forEach((record, at) => {
    if (at > from && bytes + record.length > frameBytes) {
      frames.push(frameRecord(Buffer.concat(records.slice(from, at))));
      [from, bytes] = [at, 0];
    }
    bytes += record.length;
  });
  if (records.length > from) frames.push(frameRecord(Buffer.concat(records.slice(from))));
  return frames;
}
