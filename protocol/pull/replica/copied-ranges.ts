/** What lies at `from` in one file lies at `to` in another. Bytes. */
export interface CopiedRange {
  readonly from: number;
  readonly to: number;
  length: number;
}

/** What of a range is not copied yet; `copied` is disjoint, and in order of `to`. */
export function without({ from, to, length }: CopiedRange, copied: readonly CopiedRange[]): CopiedRange[] {
  const left: CopiedRange[] = [];
  let at = to;
  const add = (end: number): void => {
    if (end > at) left.push({ from: from + at - to, to: at, length: end - at });
  };
  for (const one of copied) {
    if (one.from - one.to !== from - to || one.to + one.length <= at) continue;
    if (one.to >= to + length) break;
    add(one.to);
    at = Math.min(to + length, one.to + one.length);
  }
  add(to + length);
  return left;
}
