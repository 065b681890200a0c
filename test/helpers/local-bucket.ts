/** Buckets under a controller: directly, and as a node has them over a link. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BucketGrants } from '../../controller/buckets/local/bucket-grants.ts';
import { LocalBuckets } from '../../controller/buckets/local/local-buckets.ts';
import { LocalStore } from '../../controller/buckets/local/local-store.ts';
import { BucketOffers } from '../../controller/sync/bucket-offers.ts';
import { SnapshotOffers } from '../../controller/sync/snapshot-offers.ts';
import { Slots } from '../../protocol/base/slots.ts';
import type { Link } from '../../protocol/link/link.ts';
import { acceptLink, openLink } from '../../protocol/link/open-link.ts';
import { around } from '../../protocol/store/around.ts';
import { LinkStore } from '../../protocol/store/link/link-store.ts';
import { payloadSlots } from '../../protocol/store/link/store-calls.ts';
import { type ControllerMethods, controllerMethods } from '../../protocol/wire/methods.ts';
import { never, secret, secretOf } from './link-pair.ts';
import { socketPair } from './socket-pair.ts';
import type { StoreService } from './store-suite.ts';

export interface OpenedStore<S> extends AsyncDisposable {
  readonly store: S;
  /** `~/.towline/buckets/NAME`. */
  readonly directory: string;
}

/** A bucket in a directory of its own, which goes with it. */
export async function openLocalStore(): Promise<OpenedStore<LocalStore>> {
  const top = mkdtempSync(join(tmpdir(), 'bucket-'));
  const directory = join(top, 'buckets', 'data');
  const store = new LocalStore({ directory, log: () => undefined });
  await store.createBucket(never);
  return {
    store,
    directory,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      rmSync(top, { recursive: true, force: true });
    },
  };
}

export interface OpenedLinkStore extends OpenedStore<LinkStore> {
  readonly buckets: LocalBuckets;
  readonly grants: BucketGrants;
  /** The node's end. */
  readonly link: Link<ControllerMethods>;
}

/** The bucket `data` of a controller, opened for the node at the other end of a link. */
export async function openLinkStore(): Promise<OpenedLinkStore> {
  const top = mkdtempSync(join(tmpdir(), 'buckets-'));
  const buckets = await LocalBuckets.open({ directory: top, log: () => undefined });
  await buckets.create('data', never);
  const grants = new BucketGrants(buckets);
  grants.open('key', 'data', 'write');
  const sockets = await socketPair();
  const handlers = {
    ...new SnapshotOffers().handlersFor('key'),
    ...new BucketOffers().handlersFor('key'),
    ...grants.handlersFor('key'),
  };
  const [link] = await Promise.all([
    openLink(
      sockets.dialler,
      { local: {}, handlers: {}, remote: controllerMethods, keyId: 'key', secret, build: 'b1' },
      never,
    ),
    acceptLink(
      sockets.listener,
      { secretOf, build: 'b2', partsFor: () => ({ local: controllerMethods, handlers, remote: {} }) },
      never,
    ),
  ]);
  return {
    store: new LinkStore({ link: () => link, bucket: 'data', slots: new Slots(payloadSlots) }),
    directory: join(top, 'data'),
    buckets,
    grants,
    link,
    [Symbol.asyncDispose]: async () => {
      await sockets[Symbol.asyncDispose]();
      await buckets[Symbol.asyncDispose]();
      rmSync(top, { recursive: true, force: true });
    },
  };
}

/** Buckets of a controller, for the conformance suite. */
export async function openLocalService(): Promise<StoreService> {
  const top = mkdtempSync(join(tmpdir(), 'buckets-'));
  const buckets = await LocalBuckets.open({ directory: top, log: () => undefined });
  return {
    bucket: async (name) => buckets.get(name),
    close: async () => {
      await buckets[Symbol.asyncDispose]();
      rmSync(top, { recursive: true, force: true });
    },
  };
}

/** The same as a node has them. It is the controller that makes and deletes them. */
export async function openLinkService(): Promise<StoreService> {
  const opened = await openLinkStore();
  const slots = new Slots(payloadSlots);
  return {
    bucket: async (name) => {
      opened.grants.open('key', name, 'write');
      const store = new LinkStore({ link: () => opened.link, bucket: name, slots });
      const own = opened.buckets.get(name);
      return {
        ...around(store, { call: async (_, run) => await run() }),
        bucketExists: (signal) => own.bucketExists(signal),
        createBucket: (signal) => own.createBucket(signal),
        deleteBucket: (signal) => own.deleteBucket(signal),
      };
    },
    close: async () => await opened[Symbol.asyncDispose](),
  };
}
