/** A worker's side of `sync: {fetch: head}`. */
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { TowError, toTowError } from '../../../protocol/base/errors.ts';
import type { RootPath } from '../../../protocol/base/root-path.ts';
import type { Link } from '../../../protocol/link/link.ts';
import { openLink } from '../../../protocol/link/open-link.ts';
import { dialTls } from '../../../protocol/link/tls-transport.ts';
import { around } from '../../../protocol/store/around.ts';
import { receiveBody } from '../../../protocol/store/link/receive-body.ts';
import type { GetOptions, ObjectBody, ObjectHead, ObjectStore } from '../../../protocol/store/object-store.ts';
import { type HeadAccess, type HeadMethods, headMethods } from '../../../protocol/wire/copied.ts';
import { wireBytes } from '../../../protocol/wire/schema.ts';
import { keyPath } from '../key-path.ts';
import { isMd5 } from '../md5.ts';

/** Bytes of one object that may be on their way or wait to be read. */
const windowBytes = 2 << 20;

export interface HeadFirstOptions {
  readonly head: HeadAccess;
  readonly build: string;
  /** Key of one object, or what keys begin with, as for the copy. */
  readonly prefix: string;
}

/**
 * A bucket whose objects are read from the head of the cluster where it has the very version that is asked for, and from the
 * bucket otherwise: also when there is no head to be had, or it is lost. What breaks off in the middle is `object-corrupt`,
 * for nobody has said yet that the bytes before were as they were copied. An object's MD5, where its version is one, is in
 * what is told of it, for whoever checks it; of other objects the head is believed.
 */
export class HeadFirst implements Disposable {
  /** Bytes that came from the head. */
  bytes = 0;
  /** Why something did not come from there. */
  failure: string | undefined;
  readonly store: ObjectStore;
  readonly #bucket: ObjectStore;
  readonly #prefix: string;
  #link: Link<HeadMethods> | undefined;

  private constructor(bucket: ObjectStore, prefix: string) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.store = {
      ...around(bucket, { call: async (_, run) => await run() }),
      get: (key, options, signal) => this.#get(key, options, signal),
    };
  }

  /** Dials the head. Rejects only when `signal` aborts. */
  static async open(
    bucket: ObjectStore,
    { head, build, prefix }: HeadFirstOptions,
    signal: AbortSignal,
  ): Promise<HeadFirst> {
    const first = new HeadFirst(bucket, prefix);
    try {
      const socket = await dialTls(head, signal);
      const { keyId } = head;
      const proofs = { keyId, secret: Buffer.from(head.secret, 'latin1'), build };
      const link = await openLink(socket, { ...proofs, local: {}, handlers: {}, remote: headMethods }, signal);
      first.#link = link;
      void link.closed.then(() => {
        first.#link = undefined;
      });
    } catch (error) {
      throwIfAborted(signal);
      first.#failed(error);
    }
    return first;
  }

  [Symbol.dispose](): void {
    this.#link?.close(new TowError('link-lost', 'the copy is over'));
  }

  #failed(error: unknown): void {
    this.failure ??= toTowError(error, 'the head').message;
  }

  async #get(key: string, options: GetOptions, signal: AbortSignal): Promise<ObjectBody> {
    const path = this.#pathOf(key);
    if (this.#link !== undefined && path !== undefined && options.ifVersion !== undefined) {
      try {
        return await this.#fromHead(this.#link, key, path, options.ifVersion, options.range, signal);
      } catch (error) {
        throwIfAborted(signal);
        this.#failed(error);
      }
    }
    return await this.#bucket.get(key, options, signal);
  }

  /** Where the object lies, if it is a file. */
  #pathOf(key: string): RootPath | undefined {
    if (this.#prefix !== '' && key === this.#prefix) return '';
    const place = keyPath(this.#prefix === '' ? key : key.slice(this.#prefix.length + 1));
    return place.type === 'file' ? place.path : undefined;
  }

  async #fromHead(
    link: Link<HeadMethods>,
    key: string,
    path: RootPath,
    version: string,
    range: GetOptions['range'],
    signal: AbortSignal,
  ): Promise<ObjectBody> {
    const { versionIsMd5 } = this.#bucket.traits;
    const md5 = versionIsMd5 && isMd5(version) ? version : undefined;
    const params = { path: wireBytes(path), version, start: range?.start ?? 0 };
    const { head, bytes } = await receiveBody(
      key,
      range,
      ({ onHead, onData }, during) =>
        link.call(
          'copied.get',
          { ...params, ...(range === undefined ? {} : { end: range.end }) },
          {
            windowBytes,
            onEvent: ({ size, mode, mtimeSec, mtimeNsec }) =>
              onHead({ key, size, version, md5, ...posixHead(mode, mtimeSec, mtimeNsec) }),
            onData: async (frame) => {
              this.bytes += frame.length;
              await onData(frame);
            },
          },
          during,
        ),
      signal,
    );
    return { head, bytes: this.#whole(bytes, signal) };
  }

  async *#whole(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* bytes;
    } catch (error) {
      throwIfAborted(signal);
      this.#failed(error);
      const { message } = toTowError(error, 'the head');
      throw new TowError('object-corrupt', `the head broke off: ${message}`, { cause: error, retryable: true });
    }
  }
}

/** A file's mode and time as s3fs would have said them. */
function posixHead(
  mode: number,
  mtimeSec: number,
  mtimeNsec: number,
): Pick<ObjectHead, 'modifiedMs' | 'contentType' | 'metadata'> {
  const metadata = { mode: String(mode), mtime: `${mtimeSec}.${String(mtimeNsec).padStart(9, '0')}` };
  return { modifiedMs: mtimeSec * 1000, contentType: undefined, metadata };
}
