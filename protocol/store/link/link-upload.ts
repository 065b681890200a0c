import { TaskGroup } from '../../base/task-group.ts';
import { limits } from '../../wire/limits.ts';
import type { Upload, Written } from '../object-store.ts';
import type { StoreCalls } from './store-calls.ts';

/** How long giving up an upload may take. */
const abortMs = 10_000;

export class LinkUpload implements Upload {
  readonly #calls: StoreCalls;
  readonly #where: { readonly bucket: string; readonly upload: string };

  constructor(calls: StoreCalls, bucket: string, upload: string) {
    this.#calls = calls;
    this.#where = { bucket, upload };
  }

  /** In pieces as large as go with one call, several at once. */
  async part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const group = new TaskGroup(signal);
    for (let offset = 0; offset === 0 || offset < bytes.length; offset += limits.callPayloadBytes) {
      const payload = bytes.subarray(offset, offset + limits.callPayloadBytes);
      const params = { ...this.#where, number, size: bytes.length, offset };
      group.run(async (stop) => void (await this.#calls.send('store.part', params, payload, stop)));
    }
    await group.wait();
  }

  async copyPart(
    number: number,
    from: string,
    { start, end }: { readonly start: number; readonly end: number },
    ifVersion: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#calls.call('store.copyPart', { ...this.#where, number, from, start, end, ifVersion }, signal);
  }

  async complete(signal: AbortSignal): Promise<Written> {
    return await this.#calls.call('store.complete', this.#where, signal);
  }

  async abort(): Promise<void> {
    await this.#calls.call('store.abort', this.#where, AbortSignal.timeout(abortMs)).catch(() => undefined);
  }
}
