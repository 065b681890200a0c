/**
 * Fills a large file from the one that it takes the place of, or was copied from: what both have is copied inside the
 * kernel, range by range, without a look at each of its chunks. What is left is wanted as of any file.
 */

import { closeSync, fstatSync } from 'node:fs';
import { type NativePath } from '../../base/root-path.ts';
import { type ChunkList, chunkCount, chunkLength, chunkOffsets, recordBytes } from '../../chunk/entry.ts';
import { allPlacesIn } from '../../chunk/record-places.ts';
import type { Extent } from '../../libc/libc.ts';
import { isOnNetwork } from '../watch/network.ts';
import { type CopiedRange, without } from './copied-ranges.ts';
import { openForReading } from './file-content.ts';
import type { PatchBudget } from './patch-file.ts';
import { type Print, printOf } from './print.ts';
import type { StagedFile } from './staged-file.ts';
import type { Wants } from './wants.ts';

/** A file of the root that is as its print says. */
export interface Former {
  readonly where: NativePath;
  readonly content: ChunkList;
  readonly size: number;
  readonly print: Print;
  /** Whether it is the file whose place is taken, and may be patched. */
  readonly replaced: boolean;
}

/** A file in the stage, and what it lacks: indexes of chunks, ascending. */
export interface Lacking {
  readonly file: StagedFile;
  readonly indexes: readonly number[];
}

export interface Filled {
  readonly bytes: number;
  readonly finished: boolean;
  /** What it lacks still. */
  readonly left: readonly number[];
  /** Where it is staged now: with a patch, what is new alone. */
  readonly file: StagedFile;
  /** With a patch: what stays where it is in the former file. */
  readonly kept: readonly Extent[] | undefined;
}

/** What goes on beside the filling of files. */
export interface Meanwhile {
  /** Moves what was copied from the former file already to where the file is staged, and says what that is. */
  readonly takeEarly: (to: NativePath) => readonly CopiedRange[];
  /** Open files whose place will be taken: to be closed when nobody waits, for it frees what they hold, a gigabyte in 50 ms. */
  readonly held: number[];
}

const heldFromBytes = 32 << 20;
const mostHeld = 16;

/**
 * Undefined when the former file is not, or does not stay, what its print says: then nothing of it counts. Early copies are
 * taken once it is certain that all of the file is to be written. Blocking.
 */
export function fillFromFormer(
  lacking: Lacking,
  former: Former,
  wants: Wants,
  budget: PatchBudget,
  { takeEarly, held }: Meanwhile,
): Filled | undefined {
  const { file, indexes } = lacking;
  const { ranges, left } = rangesOf(former.content, file.entry.content, indexes);
  const kept = former.replaced ? keptOf(former, lacking, ranges, budget) : undefined;
  const fd = openForReading(former.where);
  if (fd === undefined) return undefined;
  try {
    if (printOf(fstatSync(fd, { bigint: true })) !== former.print) return undefined;
    const into = kept === undefined ? file : file.patch;
    if (kept !== undefined) into.begin();
    // What was copied to other places is written over, if there is no place that is left as it is.
    const whole = kept === undefined && indexes.length === chunkCount(file.entry.content);
    const early = whole ? takeEarly(file.where) : [];
    for (const range of ranges) {
      if (kept !== undefined && range.from === range.to) continue;
      for (const { from, to, length } of without(range, early))
        if (!wants.copyTo({ file: into, offset: to }, fd, from, length)) return undefined;
    }
    if (printOf(fstatSync(fd, { bigint: true })) !== former.print) return undefined;
    const bytes = ranges.reduce((sum, { length }) => sum + length, 0);
    const filled = indexes.length - left.length;
    return { bytes, left, finished: filled > 0 && into.landed(filled), file: into, kept };
  } finally {
    // What is to be written anew takes its place.
    const holds = former.replaced && kept === undefined && former.size >= heldFromBytes && held.length < mostHeld;
    // Where another machine has it, it would get a name of its own for as long.
    if (holds && !isOnNetwork(former.where)) held.push(fd);
    else closeSync(fd);
  }
}

/** What stays where it is, if the former file is to be patched. Not if some of the new one is staged already. */
function keptOf(
  former: Former,
  { file, indexes }: Lacking,
  ranges: readonly CopiedRange[],
  budget: PatchBudget,
): readonly Extent[] | undefined {
  if (indexes.length < chunkCount(file.entry.content)) return undefined;
  const kept = ranges.filter(({ from, to }) => from === to).map(({ to, length }) => ({ offset: to, length }));
  return budget.takes(former, file.entry, kept) ? kept : undefined;
}

/** What is to be copied, neighbours as one, and the indexes of what the former file does not have. */
function rangesOf(
  former: ChunkList,
  content: ChunkList,
  indexes: readonly number[],
): { readonly ranges: readonly CopiedRange[]; readonly left: readonly number[] } {
  const places = allPlacesIn(Buffer.from(former, 'latin1'), Buffer.from(content, 'latin1'), recordBytes);
  const offsets = chunkOffsets(former);
  const ranges: CopiedRange[] = [];
  const left: number[] = [];
  let offset = 0;
  let next = 0;
  for (let at = 0; next < indexes.length; at += 1) {
    const length = chunkLength(content, at);
    if (indexes[next] === at) {
      next += 1;
      const from = offsets[places[at] ?? -1];
      if (from === undefined) left.push(at);
      else addRange(ranges, from, offset, length);
    }
    offset += length;
  }
  return { ranges, left };
}

function addRange(ranges: CopiedRange[], from: number, to: number, length: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.from + last.length === from && last.to + last.length === to) last.length += length;
  else ranges.push({ from, to, length });
}
