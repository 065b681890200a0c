import { TowError } from '../../protocol/base/errors.ts';
import type { Checksum } from '../../protocol/store/checksum.ts';
import type { ObjectHead, ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import { posixMetadata } from '../../protocol/store/posix-metadata.ts';
import { type ChecksumHash, checksumHash } from './checksum-hash.ts';
import { checkSize, checkSum, checksumOf } from './fetch-small.ts';
import { PartFile } from './part-file.ts';

/** What is to come out, and the sum of what came so far. */
interface Check {
  readonly expected: Checksum;
  readonly hash: ChecksumHash;
}

/** Fetches one large object by ranges, which may be fetched side by side. Dispose of it when none is under way. */
export class RangedFetch implements Disposable {
  readonly #store: ObjectStore;
  readonly #object: ObjectStat;
  readonly #part: PartFile;
  /** The object is not what was listed any more: the ranges that are left are not asked for. */
  #failed = false;
  #check: Promise<Check | undefined> | undefined;

  /** Blocking. */
  constructor(store: ObjectStore, object: ObjectStat, where: string) {
    this.#store = store;
    this.#object = object;
    this.#part = new PartFile(where, object.size);
  }

  get ranges(): readonly number[] {
    return this.#part.lacking;
  }

  /** Bytes that an earlier run had fetched. */
  get heldBytes(): number {
    return this.#object.size - this.ranges.reduce((sum, at) => sum + this.#length(at), 0);
  }

  /** Returns whether the object is staged now. Rejects as `ObjectStore.get`; the file work blocks. */
  async fetch(index: number, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<boolean> {
    if (this.#failed) throw new TowError('cancelled', 'another range of it failed');
    try {
      const range = this.#part.range(index);
      const { head, bytes } = await this.#store.get(
        this.#object.key,
        { range, ifVersion: this.#object.version, borrow: true },
        signal,
      );
      // It is there when the bytes are; a failure is met below.
      this.#check ??= this.#checkBy(head, signal);
      void this.#check.catch(() => undefined);
      let at = range.start;
      for await (const chunk of bytes) {
        // Leaving the loop, even at its beginning, is what lets go of the connection.
        if (head.size !== this.#object.size || at + chunk.byteLength > range.end) break;
        this.#part.write(at, chunk);
        at += chunk.byteLength;
        onBytes(chunk.byteLength);
      }
      checkSize(head, this.#object);
      if (at !== range.end)
        throw new TowError('object-corrupt', `not the ${range.end - range.start} bytes came that were asked for`, {
          retryable: true,
        });
      const check = await this.#check;
      const whole = this.#part.finishRange(index);
      if (check !== undefined) this.#part.hashOn(check.hash);
      if (whole) this.#finish(head, check);
      return whole;
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** When an earlier run had all ranges and did not live to say so. */
  async finishHeld(signal: AbortSignal): Promise<void> {
    const head = await this.#head(signal);
    this.#finish(head, await this.#checkBy(head, signal));
  }

  [Symbol.dispose](): void {
    this.#part[Symbol.dispose]();
  }

  async #head(signal: AbortSignal): Promise<ObjectHead> {
    const head = await this.#store.head(this.#object.key, signal);
    if (head?.version !== this.#object.version) throw new TowError('object-changed', 'it was replaced meanwhile');
    return head;
  }

  /** `head` came with a range, and such an answer need not say all. */
  async #checkBy(head: ObjectHead, signal: AbortSignal): Promise<Check | undefined> {
    const expected = checksumOf(head) ?? checksumOf(await this.#head(signal));
    return expected && { expected, hash: await checksumHash(expected.algorithm) };
  }

  #finish(head: ObjectHead, check: Check | undefined): void {
    try {
      if (check !== undefined) {
        this.#part.hashOn(check.hash);
        checkSum(check.expected, check.hash.digest());
      }
    } catch (error) {
      this.#part.discard();
      throw error;
    }
    this.#part.finish(posixMetadata(head));
  }

  #length(index: number): number {
    const { start, end } = this.#part.range(index);
    return end - start;
  }
}
