import type { Entry } from './entry.ts';

/** Position of a name in entries sorted by name, -1 if absent. */
export function indexOfName(entries: readonly Entry[], name: string): number {
  let low = 0;
  let high = entries.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = entries[middle]?.name ?? '';
    if (found === name) return middle;
    if (found < name) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
