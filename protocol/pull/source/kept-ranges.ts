/** Ranges that a file has of a former one: from, to, length, … in bytes, as they are found while it is read. */
export class KeptRanges {
  #ranges: number[] = [];

  /** What lies at `from` in the former file is at `to` now. Ranges that go on are told as one. */
  add(from: number, to: number, length: number): void {
    const at = this.#ranges.length - 3;
    const [lastFrom = 0, lastTo = 0, lastLength = 0] = at < 0 ? [] : this.#ranges.slice(at);
    if (at >= 0 && lastFrom + lastLength === from && lastTo + lastLength === to)
      this.#ranges[at + 2] = lastLength + length;
    else this.#ranges.push(from, to, length);
  }

  /** What was found since the last call. */
  take(): number[] {
    const ranges = this.#ranges;
    this.#ranges = [];
    return ranges;
  }
}
