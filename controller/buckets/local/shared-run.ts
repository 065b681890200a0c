/** Work that is the same for all who ask for it: those who ask while it is under way share the next run. */
export class SharedRun {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a run that began after this call has ended; rejects with its failure. */
  async run(): Promise<void> {
    this.#next ??= this.#after(this.#running);
    await this.#next;
  }

  /** Sees to it that a run is under way; its failure is for the next one to meet. */
  start(): void {
    if (this.#running === undefined && this.#next === undefined) this.run().catch(() => undefined);
  }

  async idle(): Promise<void> {
    while (this.#next !== undefined || this.#running !== undefined)
      await (this.#next ?? this.#running)?.catch(() => undefined);
  }

  async #after(running: Promise<void> | undefined): Promise<void> {
    await running?.catch(() => undefined);
    this.#next = undefined;
    const work = this.#work();
    this.#running = work;
    try {
      await work;
    } finally {
      if (this.#running === work) this.#running = undefined;
    }
  }
}
