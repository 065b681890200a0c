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
import { foresee } from '../../protocol/pull/source/foresee.ts';
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
  /** Packs that came without being asked for, and bytes that had to be asked for after them. */
  foreseen = 0;
  asked = 0;

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
    const { bytes: delta, foreseen } = await deltaFor(node.held, snapshot);
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
      session.reuse(1000, () => undefined);
      if (took) for (const pack of foreseen) session.supply.foreseen(pack);
      if (took) node.foreseen += foreseen.length;
      const left = session.supply.left(1000);
      if (took && foreseen.length > 0) node.asked += left.bytes;
      for (const ranges of left.ranges) for (const pack of packsOf(snapshot, ranges)) session.supply.pack(pack);
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

/** A delta, and the packs that come behind it where much is new. */
async function deltaFor(
  held: PlainSnapshot | undefined,
  snapshot: PlainSnapshot,
): Promise<{ readonly bytes: Buffer | undefined; readonly foreseen: readonly Buffer[] }> {
  const delta = held === undefined ? undefined : deltaBetween(held.manifest, snapshot.manifest);
  if (held === undefined || delta === undefined) return { bytes: undefined, foreseen: [] };
  const blocks = [...encodeManifest(delta.part)].map((block) => Buffer.from(block));
  // Only some, so that both ways are gone.
  const ranges = await newRanges(held.manifest, delta.part, 20_000);
  const part = { ...snapshot, chunks: chunksOf(delta.part, snapshot) };
  const foreseen =
    ranges === undefined ? packsOf(part, await foresee(held.manifest, delta.part, new AbortController().signal)) : [];
  return { bytes: await encodeDelta(held.manifest, delta, blocks, packsOf(part, ranges ?? [])), foreseen };
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
