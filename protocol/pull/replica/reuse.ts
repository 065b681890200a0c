/** Fills wanted chunks from what the root holds already: other versions, renamed and copied files. */
import { closeSync, fstatSync } from 'node:fs';
import { absolutePath, joinPath, type NativePath, type RootPath } from '../../base/root-path.ts';
import { type Digest, digestOf } from '../../chunk/digest.ts';
import { type ChunkList, chunkCount, chunkDigest, chunkLength } from '../../chunk/entry.ts';
import { openForReading, readRange } from './file-content.ts';
import { type LedgerItem, ledgerItem } from './ledger.ts';
import { noPrint, type Print, printOf } from './print.ts';
import { type Trust, trustedPrint } from './trusted-print.ts';
import type { Place, Wants } from './wants.ts';

export interface ReuseOptions extends Trust {
  /** Absolute, latin1. */
  readonly root: string;
  /** Where to look first: what was at these paths has most of it. */
  readonly first: readonly RootPath[];
}

/** Called with what was reused after each file. */
export type Step = (bytes: number, finishedFiles: number) => void;

/**
 * Takes every wanted chunk that the ledger says a file of the root has. A file that is as it was left before and after is
 * taken at its word and copied inside the kernel; of any other each chunk is read and hashed, and one that is not as the
 * ledger says stays wanted. `step` is called with the bytes reused after each file. Blocking.
 */
export function reuseChunks(options: ReuseOptions, wants: Wants, step: Step): void {
  const { root, ledger, observation, first } = options;
  const reuse = (path: RootPath, { entry, print }: LedgerItem): void => {
    if (entry.kind !== 'file' || !holdsWanted(entry.content, wants)) return;
    const observed = observation.get(path);
    if (observed?.state === 'missing' || observed?.state === 'changed') return;
    const known = trustedPrint(path, print, options);
    const where = absolutePath(root, path);
    const taken = known === undefined ? undefined : copyFile(where, entry.content, known, wants);
    const { bytes, finished } = taken ?? readFile(where, entry.content, wants);
    step(bytes, finished);
  };
  for (const path of first) {
    if (wants.count === 0) return;
    const item = ledgerItem(ledger, path);
    if (item !== undefined) reuse(path, item);
  }
  for (const [directory, { entries, prints }] of ledger.directories) {
    for (const [at, entry] of entries.entries()) {
      if (wants.count === 0) return;
      reuse(joinPath(directory, entry.name), { entry, print: prints[at] ?? noPrint });
    }
  }
}

function holdsWanted(content: ChunkList, wants: Wants): boolean {
  for (let at = 0; at < chunkCount(content); at += 1)
    if (wants.mayHave(content, at) && wants.has(chunkDigest(content, at))) return true;
  return false;
}

interface Taken {
  readonly bytes: number;
  readonly finished: number;
}

interface Run {
  readonly place: Place;
  readonly from: number;
  length: number;
}

/** Undefined when the file is not, or does not stay, what its print says: then nothing of it was taken. */
function copyFile(where: NativePath, content: ChunkList, print: Print, wants: Wants): Taken | undefined {
  const fd = openForReading(where);
  if (fd === undefined) return undefined;
  try {
    if (printOf(fstatSync(fd, { bigint: true })) !== print) return undefined;
    const { runs, digests, bytes } = runsOf(content, wants);
    for (const { place, from, length } of runs) if (!wants.copyTo(place, fd, from, length)) return undefined;
    if (printOf(fstatSync(fd, { bigint: true })) !== print) return undefined;
    let finished = 0;
    for (const digest of digests) finished += wants.landed(digest);
    return { bytes, finished };
  } finally {
    closeSync(fd);
  }
}

/** What of a file goes where: chunks that stay neighbours are copied as one. */
function runsOf(content: ChunkList, wants: Wants): { runs: Run[]; digests: Set<Digest>; bytes: number } {
  const runs: Run[] = [];
  const digests = new Set<Digest>();
  let bytes = 0;
  let offset = 0;
  for (let at = 0; at < chunkCount(content); at += 1) {
    const length = chunkLength(content, at);
    const digest = chunkDigest(content, at);
    const places = digests.has(digest) ? [] : wants.placesOf(digest);
    if (places.length > 0) {
      digests.add(digest);
      bytes += length;
    }
    for (const place of places) {
      const last = runs.at(-1);
      const follows =
        last?.place.file === place.file &&
        last.from + last.length === offset &&
        last.place.offset + last.length === place.offset;
      if (follows) last.length += length;
      else runs.push({ place, from: offset, length });
    }
    offset += length;
  }
  return { runs, digests, bytes };
}

function readFile(where: NativePath, content: ChunkList, wants: Wants): Taken {
  const fd = openForReading(where);
  if (fd === undefined) return { bytes: 0, finished: 0 };
  let bytes = 0;
  let finished = 0;
  try {
    let offset = 0;
    for (let at = 0; at < chunkCount(content); at += 1) {
      const length = chunkLength(content, at);
      const digest = chunkDigest(content, at);
      if (wants.has(digest)) {
        const chunk = readRange(fd, offset, length);
        if (chunk !== undefined && digestOf(chunk) === digest) {
          finished += wants.satisfy(digest, chunk);
          bytes += length;
        }
      }
      offset += length;
    }
  } finally {
    closeSync(fd);
  }
  return { bytes, finished };
}
