/** The `--via` of one command: publishes snapshots to an object store, tells nodes where, and mends what they found amiss. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import { Slots } from '../../protocol/base/slots.ts';
import type { Digest } from '../../protocol/chunk/digest.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import { maxViaPrefix } from '../../protocol/via/via-keys.ts';
import type { PullResult } from '../../protocol/wire/pull.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import { type AccessRequest, resolveAccess } from '../buckets/resolve-access.ts';
import { type BucketUri, isUri, parseBucketUri, showBucketUri } from '../task/bucket-uri.ts';
import { chunkRecords } from './chunk-records.ts';
import type { Collected } from './collect.ts';
import { IndexCache } from './index-cache.ts';
import { SharedAccess } from './shared-access.ts';
import { ViaThread } from './via-thread.ts';

export interface ViaOptions {
  readonly uri: BucketUri;
  /** Bundle that serves the role 'via'. */
  readonly script: string;
  /** Of all caches. */
  readonly directory: string;
  /** As the task says: what nodes get. This machine publishes with its own. */
  readonly access: AccessRequest;
}

/** So long a catalogue is taken to be there, and to be spared by gc, in ms: gc takes a day at least. */
const trustedMs = 12 * 3600 * 1000;
/** Packs that are looked into after one command. */
const mendedAtOnce = 16;

/** Throws `usage`. */
export function parseViaUri(text: string): BucketUri {
  const uri = isUri(text) ? parseBucketUri(text) : undefined;
  if (uri === undefined || 'message' in uri)
    throw new TowError('usage', uri === undefined ? `${JSON.stringify(text)} is no place in a bucket` : uri.message, {
      hint: uri?.hint ?? 'write s3://bucket/prefix or gs://bucket/prefix',
    });
  if (uri.prefix.length > maxViaPrefix)
    throw new TowError('usage', `the prefix has ${uri.prefix.length} characters, at most ${maxViaPrefix} are allowed`);
  return uri;
}

export class Via {
  readonly #options: ViaOptions;
  readonly #signal: AbortSignal;
  readonly #own: SharedAccess;
  readonly #nodes: SharedAccess;
  readonly #slots = new Slots(1);
  /** What nodes found amiss. */
  readonly #damaged = new Set<Digest>();
  readonly #distrusted = new Set<Digest>();
  #publishedBytes = 0;
  #fetchedBytes = 0;

  /** Good for one command, whose signal it is. */
  constructor(options: ViaOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const { access } = options;
    this.#own = new SharedAccess((during) => this.#resolve({ ...access, credentials: 'forward' }, during), signal);
    this.#nodes =
      access.credentials === 'forward'
        ? this.#own
        : new SharedAccess((during) => this.#resolve(access, during), signal);
  }

  get name(): string {
    return showBucketUri(this.#options.uri);
  }

  get prefix(): string {
    return this.#options.uri.prefix;
  }

  /** Bytes that this command put there. */
  get publishedBytes(): number {
    return this.#publishedBytes;
  }

  /** Bytes that all nodes fetched from there. */
  get fetchedBytes(): number {
    return this.#fetchedBytes;
  }

  /** What nodes open it with. */
  async nodeAccess(): Promise<StoreAccess> {
    return await this.#nodes.get();
  }

  /**
   * Puts the chunks of a snapshot that are not there yet; one snapshot at a time. Returns the catalogue's name. Asks the
   * store nothing about a snapshot that was published lately. Rejects as `Snapshot.sendChunks` and the store do.
   */
  async publish(
    snapshot: Snapshot,
    onBytes: (bytes: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<Digest> {
    return await this.#slots.run(async () => {
      const cache = new IndexCache(this.#directory);
      const known = await cache.published(snapshot.digest);
      const age = Date.now() - (known?.at ?? 0);
      if (known !== undefined && age >= 0 && age < trustedMs) return known.catalogue;
      await using thread = await this.#open(signal);
      const at = Date.now();
      const records = await chunkRecords(snapshot.manifest);
      const { ranges, bytes } = await thread.run('plan', records, { transfer: [records.buffer] });
      let sent = 0;
      const send = async (header: Uint8Array, body: Uint8Array): Promise<void> => {
        // The sender uses its own again.
        const copy = Uint8Array.from(body);
        sent += await thread.run('add', { header, body: copy }, { transfer: [copy.buffer] });
        onBytes(sent, bytes);
      };
      if (ranges.length > 0)
        await snapshot.sendChunks(
          ranges,
          (header = none, body = none) => send(header, body),
          { compression: 'far' },
          signal,
        );
      const { catalogue, putBytes } = await thread.run('finish', undefined);
      this.#publishedBytes += putBytes;
      await cache.publish(snapshot.digest, { catalogue, at });
      return catalogue;
    }, signal);
  }

  /** Takes a node's report. Returns a sentence for the user when chunks came from here that should have come from there. */
  report(snapshot: Snapshot, result: PullResult): string | undefined {
    const { via } = result;
    if (via === undefined) return undefined;
    this.#fetchedBytes += via.bytes;
    for (const pack of via.damaged) this.#damaged.add(pack);
    if (via.noCatalogue || via.damaged.length > 0) this.#distrusted.add(snapshot.digest);
    if (via.missedBytes === 0) return undefined;
    const why = via.note ?? `${via.damaged.length} of its packs lack or are damaged`;
    return `${via.missedBytes} bytes came from this machine and not from ${this.name}: ${why}`;
  }

  /** Has what nodes found amiss published anew by the next command. Does not reject but when cancelled: this one has what it wanted. */
  async mend(): Promise<void> {
    if (this.#distrusted.size === 0) return;
    const cache = new IndexCache(this.#directory);
    for (const snapshot of this.#distrusted) await cache.unpublish(snapshot);
    const packs = [...this.#damaged].slice(0, mendedAtOnce);
    if (packs.length === 0) return;
    try {
      await using thread = await this.#open(this.#signal);
      await thread.run('mend', packs);
    } catch (error) {
      if (!(error instanceof TowError) || error.code === 'cancelled') throw error;
    }
  }

  /** Removes what no snapshot of the last days needs. */
  async collect(days: number): Promise<Collected> {
    await using thread = await this.#open(this.#signal);
    return await thread.run('collect', { days });
  }

  async #open(signal: AbortSignal): Promise<ViaThread> {
    const { script } = this.#options;
    return await ViaThread.open(
      { script, directory: this.#directory, prefix: this.prefix, access: () => this.#own.get() },
      signal,
    );
  }

  /** One a bucket and prefix, and what says where the bucket is: as well as can be told without asking the cloud's client. */
  get #directory(): string {
    const { access, directory } = this.#options;
    const key = createHash('sha256').update(
      JSON.stringify([this.name, placeVariables.map((name) => access.env[name] ?? '')]),
    );
    return join(directory, key.digest('hex').slice(0, 24));
  }

  async #resolve(request: AccessRequest, signal: AbortSignal): Promise<StoreAccess> {
    const { store, bucket, region } = this.#options.uri;
    if (store === 'local') throw new TowError('usage', 'a local bucket is on this machine: leave --via out');
    return await resolveAccess({ store, bucket, region, endpoint: undefined }, request, signal);
  }
}

const placeVariables = ['HOME', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_PROFILE', 'AWS_CONFIG_FILE'];
const none = new Uint8Array(0);
