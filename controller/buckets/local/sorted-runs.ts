import type { Turns } from '../../../protocol/base/turns.ts';

const runLength = 4096;

/** Sorts any number of texts in turns of the event loop: in runs as they come, then what is sorted two by two. */
export class SortedRuns {
  readonly #runs: string[][] = [];
  #run: string[] = [];

  add(text: string): void {
    this.#run.push(text);
    if (this.#run.length >= runLength) this.#close();
  }

  /** All that were added, ascending. */
  async merged(turns: Turns): Promise<string[]> {
    this.#close();
    let left: readonly string[][] = this.#runs;
    while (left.length > 1) {
      const merged: string[][] = [];
      for (let at = 0; at < left.length; at += 2) merged.push(await merge(left[at] ?? [], left[at + 1] ?? [], turns));
      left = merged;
    }
    return left[0] ?? [];
  }

  #close(): void {
    this.#runs.push(this.#run.sort());
    this.#run = [];
  }
}

async function merge(a: readonly string[], b: readonly string[], turns: Turns): Promise<string[]> {
  const merged: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i], b[j]];
    if (y === undefined || (x !== undefined && x <= y)) {
      merged.push(x ?? '');
      i += 1;
    } else {
      merged.push(y);
      j += 1;
    }
    if (merged.length % runLength === 0 && turns.over) await turns.next();
  }
  return merged;
}
