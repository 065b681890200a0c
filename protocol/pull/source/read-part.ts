/** Reads a part of a large file into a chunk list, while others read the rest of it. Runs in a worker thread; blocking. */

import { readSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import { type NativePath } from '../../base/root-path.ts';
import { chunkSizes, longestChunkBytes } from '../../chunk/chunker.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import type { OpenFile } from '../../libc/open-file.ts';
import type { KeptRanges } from './kept-ranges.ts';
import { KnownCuts } from './known-cuts.ts';
import type { ReadContext } from './read-context.ts';
import { cutting, isSparse, type ListWriter, readExtent, readStable } from './read-file.ts';
import { SpanTagger, type SpanTags } from './span-tags.ts';

/**
 * A cut depends on the cut before, but only as far as its distance goes: two that cut the same bytes from different places
 * soon meet. So long before its part a reader begins to cut, without hashing, to be in step when it gets there.
 */
const runUpBytes = 512 << 10;
const longestRunUp = runUpBytes + 2 * longestChunkBytes;
assert(longestRunUp <= cutting.bytes.length, 'a run-up fits the buffer');

/** Where the chunks of a part lie: from the first cut at its beginning or behind, up to that at its end or behind. */
export interface ReadPart {
  readonly begin: number;
  readonly end: number;
  readonly stats: OpenFile;
  readonly fresh: boolean;
  readonly tags: SpanTags;
}

/** What is known of a file that is read in parts. */
export interface KnownPart {
  /** The chunk list that the whole of it had, and tags of its spans. */
  readonly known: ChunkList | undefined;
  readonly spans: SpanTags | undefined;
  /** Undefined where nobody wants tags. */
  readonly tagKey: Uint8Array | undefined;
}

/**
 * Appends the records of a part's chunks to `lists`, and tells `kept` what is as it was. Undefined where a file must be read as a whole: it has holes, or is
 * gone, or changes, or has not the size that it is a part `of`. Throws as `readFile`.
 */
export function readPart(
  path: NativePath,
  { from, to, of }: { readonly from: number; readonly to: number; readonly of: number },
  lists: ListWriter,
  context: ReadContext,
  { known, spans, tagKey }: KnownPart,
  kept?: KeptRanges,
): ReadPart | undefined {
  const start = lists.length;
  let begin: number | undefined;
  let end: number | undefined;
  let tagger: SpanTagger | undefined;
  const result = readStable(path, context.grain, (fd, stats) => {
    lists.length = start;
    begin = undefined;
    end = undefined;
    context.carrier?.begin();
    kept?.take();
    const { size } = stats;
    if (isSparse(stats) || size !== of) return true;
    begin = from === 0 ? 0 : firstCut(fd, from, size);
    if (begin === undefined) return false;
    const sizes = chunkSizes(size);
    tagger = tagKey === undefined ? undefined : new SpanTagger(tagKey, begin === 0);
    const { ctimeNs } = stats;
    const cutter = { ctimeNs, sizes, cuts: KnownCuts.from(begin, known, sizes, spans), tagger, kept };
    const extent = { offset: begin, length: size - begin };
    end = begin >= to ? begin : readExtent(fd, extent, cutter, lists, context, to);
    return end !== undefined;
  });
  if (result.status !== 'settled' && result.status !== 'fresh') return undefined;
  if (begin === undefined || end === undefined) return undefined;
  const tags = tagger?.tags ?? { starts: new Uint32Array(0), tags: new Uint8Array(0) };
  return { begin, end, tags, stats: result.stats, fresh: result.status === 'fresh' };
}

/** The first cut at `from` or behind, most likely; undefined when the file ends before it should. */
function firstCut(fd: number, from: number, size: number): number | undefined {
  const start = Math.max(0, from - runUpBytes);
  const wanted = Math.min(longestRunUp, size - start);
  let filled = 0;
  while (filled < wanted) {
    const got = readSync(fd, cutting.bytes, filled, wanted - filled, start + filled);
    if (got === 0) return undefined;
    filled += got;
  }
  const sizes = chunkSizes(size);
  let at = 0;
  while (start + at < from) at = cutting.cutPoint(at, filled, sizes);
  return start + at;
}
