import { EarlyRanges } from './early-ranges.ts';

/** After a look none is taken for so many times as long. */
const restFactor = 10;

/**
 * When a watched source is looked at although nobody asked: once it has come to rest after a change, so that what is asked
 * for next is known already; for a tenth of the time at most, whatever goes on in it.
 */
export class LookAhead implements Disposable {
  readonly #look: () => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #again = false;
  #closed = false;
  #notBefore = 0;
  #early = new EarlyRanges();

  /** `look` says how many milliseconds it took, without waiting for its turn. It must not reject. */
  constructor(look: () => Promise<number>) {
    this.#look = look;
  }

  /** Something had changed, and nothing more does. */
  quiet(): void {
    this.#again = this.#looking;
    if (this.#looking || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), Math.max(0, this.#notBefore - performance.now())).unref();
  }

  /** What the look that is being taken finds of large files. */
  get early(): EarlyRanges {
    return this.#early;
  }

  /** Somebody waits for the look to end, if one is being taken. */
  tell(early: EarlyRanges | undefined): void {
    if (early !== undefined) this.#early.listen((range) => early.tell(range));
  }

  async #run(): Promise<void> {
    this.#looking = true;
    this.#early = new EarlyRanges();
    const tookMs = await this.#look();
    this.#looking = false;
    this.#early = new EarlyRanges();
    this.#notBefore = performance.now() + restFactor * tookMs;
    if (this.#again) this.quiet();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
