import type { RootPath } from '../../base/root-path.ts';
import { type ChunkList, chunkOffsets } from '../../chunk/entry.ts';

/** Of a large file that is being read: what it has of a former one, the same file as it was or another, and where. */
export interface EarlyRange {
  readonly path: RootPath;
  /** Path and content of the former file. */
  readonly from: RootPath;
  readonly former: ChunkList;
  /** Bytes that it will have, as it seems. */
  readonly size: number;
  /** From, to, length, … (kept-ranges.ts). */
  readonly ranges: readonly number[];
}

type OnKept = (ranges: readonly number[]) => void;

/**
 * Tells, while a scan still reads large files, what replicas can begin to copy. Only of files that they would have to write anew,
 * and nothing that is told need be right in the end.
 */
export class EarlyRanges {
  #told: EarlyRange[] = [];
  #listen: ((range: EarlyRange) => void) | undefined;

  /** Who tells of one file; undefined where that is of no use: there is no former one, or it may be patched (replica/patch-file.ts). */
  about(file: Omit<EarlyRange, 'former' | 'ranges'>, former: ChunkList | undefined): OnKept | undefined {
    if (former === undefined) return undefined;
    if (file.from === file.path && file.size <= (chunkOffsets(former).at(-1) ?? 0)) return undefined;
    return (ranges) => {
      if (ranges.length > 0) this.tell({ ...file, former, ranges });
    };
  }

  tell(range: EarlyRange): void {
    if (this.#listen === undefined) this.#told.push(range);
    else this.#listen(range);
  }

  /** Who listens from now on, to what was told before as well. */
  listen(listen: (range: EarlyRange) => void): void {
    this.#listen = listen;
    for (const range of this.#told.splice(0)) listen(range);
  }
}
