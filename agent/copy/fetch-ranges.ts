import { TowError } from '../../protocol/base/errors.ts';
import type { ObjectHead, ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import { posixMetadata } from '../../protocol/store/posix-metadata.ts';
import { checkMd5 } from './fetch-small.ts';
import { PartFile } from './part-file.ts';

/** Fetches one large object by ranges, which may be fetched side by side. Dispose of it when none is under way. */
export class RangedFetch implements Disposable {
  readonly #store: ObjectStore;
  readonly #object: ObjectStat;
  readonly #part: PartFile;
  #head: ObjectHead | undefined;
  /** The object is not what was listed any more: the ranges that are left are not asked for. */
  #failed = false;

  /** Blocking. */
  constructor(store: ObjectStore, object: ObjectStat, where: string) {
    this.#store = store;
    this.#object = object;
    this.#part = new PartFile(where, object.size, /^[0-9a-f]{32}$/.test(object.version) || !store.traits.versionIsMd5);
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
        { range, ifVersion: this.#object.version },
        signal,
      );
      if (head.size !== this.#object.size)
        throw new TowError('object-changed', `it has ${head.size} bytes, ${this.#object.size} were listed`);
      this.#head = head;
      let at = range.start;
      for await (const chunk of bytes) {
        if (at + chunk.byteLength > range.end) throw new TowError('object-corrupt', 'more came than was asked for');
        this.#part.write(at, chunk);
        at += chunk.byteLength;
        onBytes(chunk.byteLength);
      }
      return this.#part.finishRange(index) && this.#finish(head);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** When an earlier run had all ranges and did not live to say so. */
  async finishHeld(signal: AbortSignal): Promise<void> {
    const head = this.#head ?? (await this.#store.head(this.#object.key, signal));
    if (head?.version !== this.#object.version) throw new TowError('object-changed', 'it was replaced meanwhile');
    this.#finish(head);
  }

  [Symbol.dispose](): void {
    this.#part[Symbol.dispose]();
  }

  #finish(head: ObjectHead): true {
    try {
      checkMd5(head, this.#part.md5());
    } catch (error) {
      this.#part.discard();
      throw error;
    }
    this.#part.finish(posixMetadata(head));
    return true;
  }

  #length(index: number): number {
    const { start, end } = this.#part.range(index);
    return end - start;
  }
}
