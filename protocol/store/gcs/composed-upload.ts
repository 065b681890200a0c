/**
 * An upload whose parts are objects of their own, which Google then puts together ("compose").
 *
 * Why not the other two ways there are: a resumable upload takes its bytes in order and one request at a time; the XML
 * API's parts come in any order, but it keeps no condition, so that a newer object could be lost under an older one.
 * The price is temporary objects. They lie below one prefix, hidden from our listings, and go when the upload ends. If we
 * die first, they stay until they are a week old in buckets that Towline made (see bucketResource), in others for good.
 */
import { randomUUID } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import { TowError } from '../../base/errors.ts';
import type { ObjectStat, Upload, WriteOptions } from '../object-store.ts';
import { eachAtOnce } from './at-once.ts';
import { type GcsApi, post } from './gcs-api.ts';
import { conditionOf, insertObject, resourceOf } from './insert.ts';
import { objectUri, partsPrefix } from './object-name.ts';
import { statFields, statSchema } from './resources.ts';

/** Google's limit for one compose. */
const sourcesAtMost = 32;
const atOnce = 16;
/** For the removal of parts, which nobody waits for longer. */
const discardMs = 30_000;

export class ComposedUpload implements Upload {
  readonly #api: GcsApi;
  readonly #key: string;
  readonly #options: WriteOptions;
  readonly #prefix = `${partsPrefix}${randomUUID()}/`;
  /** Name and size by number. */
  readonly #parts = new Map<number, { readonly name: string; readonly size: number }>();
  /** What may be there of ours, also after a request that failed. */
  readonly #temporary = new Set<string>();
  readonly #sending = new Set<Promise<unknown>>();

  constructor(api: GcsApi, key: string, options: WriteOptions) {
    this.#api = api;
    this.#key = key;
    this.#options = options;
  }

  async part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const name = this.#temporaryName(0, number);
    const sending = insertObject(this.#api, name, bytes, {}, signal);
    this.#sending.add(sending);
    try {
      await sending;
      this.#parts.set(number, { name, size: bytes.length });
    } finally {
      this.#sending.delete(sending);
    }
  }

  async copyPart(): Promise<void> {
    throw new TowError('not-supported', 'Google Cloud Storage makes no part of an upload from an object');
  }

  async complete(signal: AbortSignal): Promise<ObjectStat> {
    const parts = [...this.#parts].sort(([a], [b]) => a - b);
    assert(
      parts.every(([number], index) => number === index + 1),
      `of ${parts.length} parts the numbers have gaps`,
    );
    let names = parts.map(([, { name }]) => name);
    for (let round = 1; names.length > sourcesAtMost; round += 1) names = await this.#joined(names, round, signal);
    const written =
      names.length === 0
        ? await insertObject(this.#api, this.#key, Buffer.of(), this.#options, signal)
        : await this.#compose(names, this.#key, this.#options, signal);
    await this.#discard();
    const size = parts.reduce((sum, [, part]) => sum + part.size, 0);
    if (written.size === size) return written;
    const message = `${objectUri(this.#api.bucket, this.#key)}: has ${written.size} bytes, of ${size} that were sent`;
    throw new TowError('object-corrupt', message);
  }

  async abort(): Promise<void> {
    await Promise.allSettled(this.#sending);
    await this.#discard();
  }

  /** Puts 32 at a time into one, all at once. */
  async #joined(names: readonly string[], round: number, signal: AbortSignal): Promise<string[]> {
    const groups: { readonly name: string; readonly sources: readonly string[] }[] = [];
    for (let at = 0; at < names.length; at += sourcesAtMost)
      groups.push({
        name: this.#temporaryName(round, groups.length + 1),
        sources: names.slice(at, at + sourcesAtMost),
      });
    const join = async (group: (typeof groups)[number], groupSignal: AbortSignal): Promise<void> => {
      await this.#compose(group.sources, group.name, {}, groupSignal);
    };
    await eachAtOnce(groups, atOnce, join, signal);
    return groups.map(({ name }) => name);
  }

  async #compose(
    sources: readonly string[],
    to: string,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectStat> {
    const query = { fields: statFields, ...conditionOf(this.#api.bucket, to, options) };
    const url = this.#api.url([this.#api.bucket, 'o', to, 'compose'], query);
    const body = { sourceObjects: sources.map((name) => ({ name })), destination: resourceOf(options) };
    return await this.#api.json(statSchema, post(url, body), to, signal);
  }

  #temporaryName(round: number, number: number): string {
    const name = `${this.#prefix}${round}-${String(number).padStart(5, '0')}`;
    this.#temporary.add(name);
    return name;
  }

  async #discard(): Promise<void> {
    const remove = async (name: string, signal: AbortSignal): Promise<void> => {
      const url = this.#api.url([this.#api.bucket, 'o', name]);
      try {
        await this.#api.done({ method: 'DELETE', url, headers: {} }, name, signal);
      } catch (error) {
        // Missing or not to be had: nothing more can be done here, and the others shall go all the same.
        if (signal.aborted) throw error;
      }
    };
    await eachAtOnce([...this.#temporary], atOnce, remove, AbortSignal.timeout(discardMs)).catch(() => undefined);
    this.#temporary.clear();
  }
}
