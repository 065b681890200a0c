import { randomBytes } from 'node:crypto';
import { assert } from '../../protocol/base/assert.ts';
import { systemClock } from '../../protocol/base/clock.ts';
import { serveWorker, type TaskHandlers } from '../../protocol/base/worker-server.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { openStore } from '../../protocol/store/open-store.ts';
import { askAccess } from '../../protocol/store/port/access-port.ts';
import { retrying } from '../../protocol/store/retry.ts';
import { saltBytes } from '../../protocol/via/catalogue.ts';
import { collect } from './collect.ts';
import { IndexCache } from './index-cache.ts';
import { mendPacks } from './mend-packs.ts';
import { Publication, publishConnections } from './publication.ts';
import type { ViaTasks } from './via-tasks.ts';

/** Times a request is made: about a minute of a service that is away, three of one that asks to go slower. */
const tries = 10;

let opened: { readonly store: ObjectStore; readonly prefix: string; readonly cache: IndexCache } | undefined;
let publication: Publication | undefined;

function open(): NonNullable<typeof opened> {
  assert(opened !== undefined, 'no store is open in this thread');
  return opened;
}

function current(): Publication {
  assert(publication !== undefined, 'nothing is published in this thread');
  return publication;
}

/** To cancel is to end the thread. */
const { signal } = new AbortController();

const handlers: TaskHandlers<ViaTasks> = {
  open: async ({ access, prefix, directory, refresh }) => {
    const bucket = await openStore(access, { connections: publishConnections, refresh: () => askAccess(refresh) });
    const store = retrying(bucket, {
      clock: systemClock,
      tries,
      random: Math.random,
      onRetry: () => undefined,
    });
    opened = { store, prefix, cache: new IndexCache(directory) };
    return { output: undefined };
  },
  plan: async (records) => {
    publication = new Publication(records, { ...open(), salt: randomBytes(saltBytes), now: Date.now }, signal);
    return { output: await publication.plan() };
  },
  add: async ({ header, body }) => ({ output: await current().add(header, body) }),
  finish: async () => ({ output: await current().finish() }),
  collect: async ({ days }) => {
    const { store, prefix } = open();
    return { output: await collect(store, prefix, days, signal) };
  },
  mend: async (packs) => {
    const { store, prefix, cache } = open();
    return { output: await mendPacks(store, prefix, cache, packs, signal) };
  },
};

/** Serves the role 'via' in the calling thread. */
export function serveViaWorker(): void {
  serveWorker(handlers);
}
