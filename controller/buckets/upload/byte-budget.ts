/** Bytes that may be in memory at once; whoever wants more than there are waits in line. */
export class ByteBudget {
  readonly #total: number;
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /** Resolves, when there is room, with what gives it back. More than all there is counts as all. */
  async take(wanted: number): Promise<() => void> {
    const bytes = Math.min(wanted, this.#total);
    if (this.#waiting.length > 0 || this.#free < bytes)
      await new Promise<void>((resolve) => this.#waiting.push({ bytes, go: resolve }));
    else this.#free -= bytes;
    return () => this.#give(bytes);
  }

  #give(bytes: number): void {
    this.#free += bytes;
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#free; next = this.#waiting[0]) {
      this.#free -= next.bytes;
      this.#waiting.shift();
      next.go();
    }
  }
}
