/** A pull as replica.ts does it on a root that it watches, in this thread: with a delta along, looking only at what is in doubt. */

import { encodeDelta } from '../../protocol/chunk/delta-codec.ts';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { chunkCount, chunkDigest, isHole } from '../../protocol/chunk/entry.ts';
import type { Manifest } from '../../protocol/chunk/manifest.ts';
import { encodeManifest } from '../../protocol/chunk/manifest-codec.ts';
import { deltaBetween } from '../../protocol/chunk/manifest-delta.ts';
import { RootWatch } from '../../protocol/pull/replica/root-watch.ts';
import { Session } from '../../protocol/pull/replica/session.ts';
import type { Remembered } from '../../protocol/pull/replica/session-options.ts';
import { newRanges } from '../../protocol/pull/source/new-ranges.ts';
import { manifestBlocks, type PlainSnapshot, packsOf } from './plain-source.ts';
import { type PullSetup, sessionOptions } from './pull.ts';

/** What is known of a node's root from one pull to the next, on both sides. */
export class WatchedNode implements Disposable {
  readonly watch = new RootWatch();
  remembered: Remembered | undefined;
  held: PlainSnapshot | undefined;
  /** How many pulls were made upon a delta, and looked at a part of the tree. */
  deltas = 0;
  partial = 0;

  [Symbol.dispose](): void {
    this.watch[Symbol.dispose]();
  }
}

export async function watchedPull(
  snapshot: PlainSnapshot,
  setup: PullSetup,
  node: WatchedNode,
  beforeSwitch: () => void = () => undefined,
): Promise<ReturnType<Session['finish']>> {
  const session = new Session(sessionOptions(snapshot, setup), node.remembered);
  node.remembered = undefined;
  try {
    if (!node.watch.begun) await node.watch.begin(session.root, session.ledgerDirectories);
    const delta = await deltaFor(node.held, snapshot);
    const took =
      !session.knowsManifest && delta !== undefined && node.held !== undefined
        ? session.takeDelta(node.held.digest, delta)
        : false;
    if (took) node.deltas += 1;
    if (!session.knowsManifest && !took) for (const block of manifestBlocks(snapshot)) session.manifestBlock(block);
    const { doubtful } = node.watch;
    if (doubtful !== undefined) node.partial += 1;
    session.observe(doubtful);
    const staged = session.stage([]);
    if (staged.settled) session.settle();
    else {
      for (const ranges of session.reuse(1000, () => undefined).ranges)
        for (const pack of packsOf(snapshot, ranges)) session.supply.pack(pack);
      session.prepare();
      beforeSwitch();
      session.switch();
    }
    const result = session.finish();
    node.watch.lookedAt([]);
    node.watch.add(result.newDirectories);
    node.remembered = session.remember();
    node.held = result.digest === snapshot.digest ? snapshot : undefined;
    return result;
  } finally {
    session.abandon();
  }
}

async function deltaFor(held: PlainSnapshot | undefined, snapshot: PlainSnapshot): Promise<Buffer | undefined> {
  if (held === undefined) return undefined;
  const delta = deltaBetween(held.manifest, snapshot.manifest);
  if (delta === undefined) return undefined;
  const blocks = [...encodeManifest(delta.part)].map((block) => Buffer.from(block));
  // Only some, so that both ways are gone.
  const ranges = newRanges(held.manifest, delta.part, 20_000) ?? [];
  const chunks = chunksOf(delta.part, snapshot);
  return await encodeDelta(held.manifest, delta, blocks, packsOf({ ...snapshot, chunks }, ranges));
}

/** The data chunks of a part in the order of its ordinals. */
function chunksOf(part: Manifest, { chunks }: PlainSnapshot): Buffer[] {
  const byDigest = new Map(chunks.map((bytes) => [digestOf(bytes), bytes]));
  const list: Buffer[] = [];
  for (const path of [...part.directories.keys()].sort()) {
    for (const { kind, content } of part.directories.get(path)?.entries ?? []) {
      if (kind !== 'file') continue;
      for (let at = 0; at < chunkCount(content); at += 1)
        if (!isHole(content, at)) list.push(byDigest.get(chunkDigest(content, at)) ?? Buffer.alloc(0));
    }
  }
  return list;
}
