/** Publishes a plain snapshot to a store and pulls it from there, in this thread. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { fetchStored } from '../../agent/via/fetch-stored.ts';
import { chunkRecords } from '../../controller/via/chunk-records.ts';
import { IndexCache } from '../../controller/via/index-cache.ts';
import { Publication, type PublishResult } from '../../controller/via/publication.ts';
import type { Digest } from '../../protocol/chunk/digest.ts';
import { decodePackHeader } from '../../protocol/chunk/pack.ts';
import type { StoreOutcome } from '../../protocol/pull/replica/chunk-store.ts';
import { Session } from '../../protocol/pull/replica/session.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { manifestBlocks, type PlainSnapshot, packsOf } from './plain-source.ts';
import { sessionOptions } from './pull.ts';

export const viaPrefix = 'team/via';

export interface Publisher {
  readonly store: ObjectStore;
  /** Directory of its cache. */
  readonly cache: string;
  readonly now: () => number;
}

let salts = 0;

export async function publish(
  snapshot: PlainSnapshot,
  { store, cache, now }: Publisher,
  signal: AbortSignal = new AbortController().signal,
): Promise<PublishResult & { readonly sentBytes: number }> {
  salts += 1;
  const salt = createHash('md5').update(`salt ${salts}`).digest();
  const publication = new Publication(
    await chunkRecords(snapshot.manifest),
    { store, prefix: viaPrefix, cache: new IndexCache(cache), salt, now },
    signal,
  );
  const { ranges, bytes } = await publication.plan();
  for (const pack of packsOf(snapshot, inFew(ranges))) {
    const { length } = decodePackHeader(pack, limits.packBytes).body;
    await publication.add(pack.subarray(0, pack.length - length), pack.subarray(pack.length - length));
  }
  return { ...(await publication.finish()), sentBytes: bytes };
}

/** The same ordinals in short runs: chunks of large files are up to 64 KiB, and a block 1 MiB at most. */
function inFew(ranges: readonly number[]): number[] {
  const few: number[] = [];
  for (let at = 0; at < ranges.length; at += 2) {
    const end = (ranges[at] ?? 0) + (ranges[at + 1] ?? 0);
    for (let first = ranges[at] ?? 0; first < end; first += 16) few.push(first, Math.min(16, end - first));
  }
  return few;
}

/** A pull into `node` whose chunks come from the store, and from the source where that lacks. */
export async function pullVia(
  snapshot: PlainSnapshot,
  node: string,
  store: ObjectStore,
  catalogue: Digest,
): Promise<StoreOutcome & { readonly missedBytes: number }> {
  mkdirSync(`${node}/home`, { recursive: true });
  const { signal } = new AbortController();
  const session = new Session(sessionOptions(snapshot, { node }));
  try {
    for (const block of manifestBlocks(snapshot)) session.manifestBlock(block);
    session.observe(undefined);
    session.stage([]);
    session.reuse(1000, () => undefined);
    const ranges = session.supply.catalogued();
    const outcome = await fetchStored(
      store,
      { prefix: viaPrefix, catalogue, ranges },
      async (block) => !session.supply.block(block).damaged,
      signal,
    );
    const left = session.supply.left(1000);
    for (const list of left.ranges) for (const pack of packsOf(snapshot, list)) session.supply.pack(pack);
    session.prepare();
    session.switch();
    session.finish();
    return { ...outcome, missedBytes: left.bytes };
  } finally {
    session.abandon();
  }
}
