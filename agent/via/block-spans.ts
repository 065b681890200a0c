import type { Digest } from '../../protocol/chunk/digest.ts';
import type { BlockRun, CataloguedPack, StoredBlock } from '../../protocol/via/catalogue.ts';

/** Part of a pack that is fetched by one request. */
export interface BlockSpan {
  readonly pack: Digest;
  readonly offset: number;
  length: number;
  readonly blocks: StoredBlock[];
}

/** Bytes: what is fetched though nobody wants it, to spare a request; and what a span grows to. */
const gapBytes = 128 << 10;
const spanBytes = 4 << 20;

/** The spans of the blocks that have a wanted ordinal (first, count, …, ascending), as they are asked for. */
export function* spansOf(
  packs: readonly CataloguedPack[],
  ranges: readonly number[],
): Generator<BlockSpan, void, undefined> {
  for (const { digest, blocks } of packs) {
    let span: BlockSpan | undefined;
    for (const block of blocks) {
      if (!block.runs.some((run) => isWanted(run, ranges))) continue;
      const end = block.offset + block.length;
      if (
        span !== undefined &&
        block.offset - span.offset - span.length <= gapBytes &&
        end - span.offset <= spanBytes
      ) {
        span.length = end - span.offset;
        span.blocks.push(block);
        continue;
      }
      if (span !== undefined) yield span;
      span = { pack: digest, offset: block.offset, length: block.length, blocks: [block] };
    }
    if (span !== undefined) yield span;
  }
}

function isWanted({ first, count }: BlockRun, ranges: readonly number[]): boolean {
  // The last range that begins before the run's end.
  let low = 0;
  let high = ranges.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[2 * middle] ?? 0) < first + count) low = middle + 1;
    else high = middle;
  }
  const start = ranges[2 * low - 2];
  const length = ranges[2 * low - 1];
  return start !== undefined && length !== undefined && start + length > first;
}
