/**
 * How hard to compress packs, found by trying: compressing spares the link and costs both ends' processors, and which of
 * them is short depends on the link, the machines and the data. One level at a time is tried for a while; the climb goes
 * to a neighbour as long as that is faster, and begins again every so often. What cannot be compressed (a git pack, a
 * model) says nothing of any level, and often comes before much that can.
 */

import { packTargetBytes } from '../../chunk/pack.ts';

/** Levels from the slowest to the fastest: brotli qualities, then raw. */
const levels = [
  // What matters most to slow links is how far back a pack can look for what is alike.
  { quality: 5, packBytes: 4 << 20 },
  { quality: 3, packBytes: 4 << 20 },
  { quality: 1, packBytes: packTargetBytes },
  { quality: undefined, packBytes: packTargetBytes },
] as const;

/** Batches in a row that found the link waiting for them, or busy, before the level changes: what is sent weaker is paid for later. */
const idleToChange = 12;
const busyToChange = 2;

/**
 * The level for what is packed while large files that hardly shrink go out beside it, and fill the link: then the least
 * bytes are the soonest, for as long as the processors keep up. So what counts is whether the link waits for them.
 */
export class CompressionBeside {
  #level = 0;
  #idle = 0;
  #busy = 0;

  get quality(): number | undefined {
    return levels[this.#level]?.quality;
  }

  get packBytes(): number {
    return levels[this.#level]?.packBytes ?? packTargetBytes;
  }

  /** A batch is begun while so many wait for the link. */
  begun(waiting: number): void {
    this.#idle = waiting === 0 ? this.#idle + 1 : 0;
    this.#busy = waiting > 1 ? this.#busy + 1 : 0;
    if (this.#idle < idleToChange && this.#busy < busyToChange) return;
    this.#level = Math.max(0, Math.min(levels.length - 1, this.#level + (this.#idle > 0 ? 1 : -1)));
    this.#idle = 0;
    this.#busy = 0;
  }
}

/** The level to begin with: what makes least of the data while still faster than most uplinks; or does not hold up a LAN. */
export type FirstLevel = 'far' | 'near';

/** Raw bytes of one trial. Its first half is not timed: what is still under way was made at another level. */
const trialBytes = 32 << 20;
/** Raw bytes that go out at the best level before others are tried again. */
const holdBytes = 1 << 30;

export class CompressionChoice {
  readonly #fixed: boolean;
  readonly #now: () => number;
  /** Of each level that was tried. */
  readonly #msPerByte = new Map<number, number>();
  #level: number;
  #trying = true;
  #bytes = 0;
  /** Of the trial, what is timed. */
  #timedMs = 0;
  #timedBytes = 0;
  #lastMs: number;

  /** Undefined sends everything raw. `now` in ms. */
  constructor(first: FirstLevel | undefined, now: () => number = () => performance.now()) {
    this.#fixed = first === undefined;
    this.#level = first === undefined ? levels.length - 1 : first === 'near' ? 2 : 0;
    this.#now = now;
    this.#lastMs = now();
  }

  /** The brotli quality for the next pack, undefined to send it raw. */
  get quality(): number | undefined {
    return levels[this.#level]?.quality;
  }

  /** Raw bytes to fill the next pack to. */
  get packBytes(): number {
    return levels[this.#level]?.packBytes ?? packTargetBytes;
  }

  /** A pack of `rawBytes` went out that was made with `quality`, and whether it shrank; packs come in the order they were made. */
  sent(rawBytes: number, quality: number | undefined, shrank: boolean): void {
    const now = this.#now();
    const ms = now - this.#lastMs;
    this.#lastMs = now;
    if (this.#fixed || quality !== this.quality || (quality !== undefined && !shrank)) return;
    this.#bytes += rawBytes;
    if (!this.#trying) {
      if (this.#bytes < holdBytes) return;
      this.#msPerByte.clear();
      this.#go(this.#level, true);
      return;
    }
    if (this.#bytes - rawBytes >= trialBytes / 2) {
      this.#timedMs += ms;
      this.#timedBytes += rawBytes;
    }
    if (this.#bytes < trialBytes || this.#timedBytes === 0) return;
    this.#msPerByte.set(this.#level, this.#timedMs / this.#timedBytes);
    const best = this.#best();
    const next = [best + 1, best - 1].find((level) => level in levels && !this.#msPerByte.has(level));
    this.#go(next ?? best, next !== undefined);
  }

  #best(): number {
    let best = this.#level;
    for (const [level, cost] of this.#msPerByte) if (cost < (this.#msPerByte.get(best) ?? 0)) best = level;
    return best;
  }

  #go(level: number, trying: boolean): void {
    this.#level = level;
    this.#trying = trying;
    this.#bytes = 0;
    this.#timedMs = 0;
    this.#timedBytes = 0;
  }
}
