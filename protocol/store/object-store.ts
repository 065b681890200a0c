/**
 * One bucket of an object store, whichever service holds it: what Towline asks of S3 and those that speak like it, of
 * Google's, and of the buckets that lie under the controller. test/conformance/store.test.ts is what each must do.
 *
 * Every call is cancelled by its signal, and rejects with a TowError: `bucket-missing`, `object-missing`,
 * `store-forbidden`, `credentials-missing`, `credentials-expired`, `credentials-refused`, `object-changed` (a condition did not hold),
 * `store-throttled` and `store-unreachable` (both retryable), `no-space` (the disk of a bucket under the controller),
 * `store-failed`. None retries by itself: see retry.ts.
 */
import type { Checksum } from './checksum.ts';
import type { StoreTraits } from './store-traits.ts';

/** What a listing says of an object. */
export interface ObjectStat {
  /** UTF-16; what the service calls it, unchecked: no path. */
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Opaque: an ETag without its quotes, or a generation. The same version of a key has the same bytes. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** What was written. When the service says it was is seen by asking. */
export type Written = Pick<ObjectStat, 'key' | 'size' | 'version'>;

/** What is told of an object that is asked for by its key. */
export interface ObjectHead extends ObjectStat {
  readonly contentType: string | undefined;
  /** User metadata: names in lower case, without what the service puts before them. */
  readonly metadata: Readonly<Record<string, string>>;
  /** MD5 of the bytes, lower-case hex, where the service gives one. Of an object that came in parts it gives none. */
  readonly md5: string | undefined;
  /**
   * A sum of another kind over all bytes, where there is no MD5 and the service gives one. Some give it with the answer to
   * `head` and to a `get` of the whole, but not of a range.
   */
  readonly checksum?: Checksum | undefined;
}

export interface ListOptions {
  /** Keys begin with it. '' is all. */
  readonly prefix: string;
  /** With one, keys that have it after the prefix are summed up in `prefixes`. */
  readonly delimiter?: '/';
  /** `next` of the page before. */
  readonly cursor?: string;
  /** At most so many objects and prefixes; a service may give fewer, and 1000 at most. */
  readonly limit?: number;
}

/** Objects and prefixes, each ascending by their UTF-8 bytes, on this page and over all pages. */
export interface ListPage {
  readonly objects: readonly ObjectStat[];
  /** With the delimiter at their end. */
  readonly prefixes: readonly string[];
  /** For the page after; undefined at the end. */
  readonly next: string | undefined;
}

export interface GetOptions {
  /** From byte `start`, up to `end` without it. Not empty; what lies beyond the object's end is left out. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Rejects with `object-changed` if the object has another version. */
  readonly ifVersion?: string;
  /** A chunk of the body is used up before the next one is asked for: its memory may be used again. */
  readonly borrow?: boolean;
}

export interface ObjectBody {
  /** Of the whole object, whatever the range. */
  readonly head: ObjectHead;
  /**
   * The bytes asked for, to be read once; leaving the loop early lets go of the connection. Rejects with
   * `store-unreachable` when fewer or more come than were promised.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface WriteOptions {
  readonly contentType?: string;
  /** Names in lower case. Values are printable ASCII. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Rejects with `object-changed` if there is an object, or one of another version. Only where the traits have it. */
  readonly condition?: { readonly type: 'absent' } | { readonly type: 'version'; readonly version: string };
}

/** Of an object that goes at once. */
export interface PutOptions extends WriteOptions {
  /** MD5 of the bytes, lower-case hex, for whoever needs it: so that it is not worked out twice. */
  readonly md5?: string;
}

/** An object that is written in parts: it is there, whole, when `complete` returns, and not before. */
export interface Upload {
  /** Parts are numbered from 1, without gaps, in any order, and may be sent at once. All but the last as large as the traits say. */
  part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** A part from an object of the same bucket. Only where the traits have `partCopy`. */
  copyPart(
    number: number,
    from: string,
    range: { readonly start: number; readonly end: number },
    ifVersion: string,
    signal: AbortSignal,
  ): Promise<void>;
  complete(signal: AbortSignal): Promise<Written>;
  /** Lets go of the parts sent so far. Does not reject: what cannot be aborted now is left to the service's own rules. */
  abort(): Promise<void>;
}

export interface ObjectStore {
  readonly traits: StoreTraits;
  /** Rejects with `store-forbidden` where it cannot be told. */
  bucketExists(signal: AbortSignal): Promise<boolean>;
  /** Rejects with `bucket-taken` when somebody else has it. One that is ours already is no error. */
  createBucket(signal: AbortSignal): Promise<void>;
  /** Rejects with `store-failed` when it is not empty. A missing one is no error. */
  deleteBucket(signal: AbortSignal): Promise<void>;
  list(options: ListOptions, signal: AbortSignal): Promise<ListPage>;
  /** Undefined when there is no such object; no such bucket either, where the service does not tell one from the other. */
  head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined>;
  get(key: string, options: GetOptions, signal: AbortSignal): Promise<ObjectBody>;
  /** At most `traits.putBytes`. */
  put(key: string, bytes: Uint8Array, options: PutOptions, signal: AbortSignal): Promise<Written>;
  startUpload(key: string, options: WriteOptions, signal: AbortSignal): Promise<Upload>;
  /** On the service's side. With `replace` its type and metadata are those, else they come along. `from` may be `to`. */
  copy(
    from: string,
    to: string,
    options: { readonly ifVersion?: string; readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'> },
    signal: AbortSignal,
  ): Promise<Written>;
  /** A missing object is no error. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  /** Up to 1000. Resolves with what could not be deleted. */
  deleteMany(keys: readonly string[], signal: AbortSignal): Promise<readonly DeleteFailure[]>;
}

export interface DeleteFailure {
  readonly key: string;
  readonly message: string;
}
