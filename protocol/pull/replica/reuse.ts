/** Fills wanted chunks from what the root holds already: other versions, renamed and copied files. */
import { closeSync } from 'node:fs';
import { absolutePath, joinPath, type RootPath } from '../../base/root-path.ts';
import { digestOf } from '../../chunk/digest.ts';
import type { Entry } from '../../chunk/entry.ts';
import { chunkCount, chunkDigest, chunkLength } from '../../chunk/entry.ts';
import { openForReading, readRange } from './file-content.ts';
import { type Ledger, ledgerItem } from './ledger.ts';
import type { Observation } from './observe.ts';
import type { Wants } from './wants.ts';

/**
 * Reads every wanted chunk that the ledger says an unchanged file of the root has, checks its digest, and writes it
 * where it is wanted; a chunk that is not as the ledger says stays wanted. Looks first at what was at the paths `first`,
 * where most of it is. `step` is called with the bytes reused after each file. Blocking.
 */
export function reuseChunks(
  root: string,
  ledger: Ledger,
  observation: Observation,
  wants: Wants,
  first: Iterable<RootPath>,
  step: (bytes: number, finishedFiles: number) => void,
): void {
  const reuse = (path: RootPath, entry: Entry): void => {
    if (entry.kind !== 'file' || !holdsWanted(entry, wants)) return;
    const state = observation.get(path)?.state;
    if (state !== 'missing' && state !== 'changed') reuseFile(absolutePath(root, path), entry, wants, step);
  };
  for (const path of first) {
    if (wants.count === 0) return;
    const item = ledgerItem(ledger, path);
    if (item !== undefined) reuse(path, item.entry);
  }
  for (const [directory, { entries }] of ledger.directories) {
    for (const entry of entries) {
      if (wants.count === 0) return;
      reuse(joinPath(directory, entry.name), entry);
    }
  }
}

function holdsWanted({ content }: Entry, wants: Wants): boolean {
  for (let at = 0; at < chunkCount(content); at += 1) if (wants.has(chunkDigest(content, at))) return true;
  return false;
}

function reuseFile(
  where: Buffer,
  { content }: Entry,
  wants: Wants,
  step: (bytes: number, finishedFiles: number) => void,
): void {
  const fd = openForReading(where);
  if (fd === undefined) return;
  let reused = 0;
  let finished = 0;
  try {
    let offset = 0;
    for (let at = 0; at < chunkCount(content); at += 1) {
      const length = chunkLength(content, at);
      const digest = chunkDigest(content, at);
      if (wants.has(digest)) {
        const bytes = readRange(fd, offset, length);
        if (bytes !== undefined && digestOf(bytes) === digest) {
          finished += wants.satisfy(digest, bytes);
          reused += length;
        }
      }
      offset += length;
    }
  } finally {
    closeSync(fd);
  }
  step(reused, finished);
}
