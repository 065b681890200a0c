import { displayPath, type RootPath } from '../../base/root-path.ts';
import type { LastLook } from './last-look.ts';
import { type LoadedIndex, ScanIndex } from './scan-index.ts';
import type { ScannedDirectory } from './scanned-directory.ts';

type Scanned = ReadonlyMap<RootPath, ScannedDirectory>;

/** The index of a source, read once and written behind the source's back, one write after the other. */
export class IndexKeeper {
  readonly #root: string;
  readonly #index: ScanIndex;
  #note: string | undefined;
  #look: LastLook | undefined;
  /** Never rejects. */
  #saving: Promise<void> = Promise.resolve();

  /** As for `ScanIndex`. */
  constructor(path: string, root: string) {
    this.#root = root;
    this.#index = new ScanIndex(path, root);
  }

  /** A damaged index is as good as none. Never rejects. */
  async load(): Promise<LoadedIndex['directories']> {
    const root = displayPath(this.#root);
    try {
      const loaded = await this.#index.load();
      if (loaded.damaged) this.#note = `the scan index of ${root} was damaged; files were read again`;
      this.#look = loaded.look;
      return loaded.directories;
    } catch (error) {
      this.#note = `the scan index of ${root} cannot be read (${String(error)}); files were read again`;
      return new Map();
    }
  }

  save(renewed: readonly ScannedDirectory[], all: Scanned): void {
    if (renewed.length > 0) this.#write(() => this.#index.save(renewed, all));
  }

  /** What the last look at everything went by, perhaps in an earlier life, while it holds. */
  get look(): LastLook | undefined {
    return this.#look;
  }

  saveLook(look: LastLook, all: Scanned): void {
    this.#look = look;
    this.#write(() => this.#index.saveLook(look, all));
  }

  /** What is saved from now on was not judged by that look's rules, or lacks what it would not miss. */
  forgetLook(all: Scanned): void {
    this.#look = undefined;
    this.#write(() => this.#index.saveLook(undefined, all));
  }

  /** A sentence for the user, once. */
  takeNote(): string | undefined {
    const note = this.#note;
    this.#note = undefined;
    return note;
  }

  /** When all is written, as far as it can be. Never rejects. */
  async written(): Promise<void> {
    await this.#saving;
  }

  #write(write: () => Promise<void>): void {
    this.#saving = this.#saving.then(write).catch((error: unknown) => {
      this.#note = `the scan index of ${displayPath(this.#root)} cannot be written (${String(error)})`;
    });
  }
}
