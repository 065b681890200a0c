import { watch } from 'node:fs';
import { raceSignal } from '../../protocol/base/abort.ts';
import type { ScriptDir } from './script-dir.ts';

/** A runner that was killed changes no file, so it is looked for at least this often. */
const lookAgainMs = 1000;

/** Tells when something about a script may have changed: its files, or that its runner is gone. */
export class ScriptWatch implements Disposable {
  readonly #close: () => void;
  #wake: () => void = () => undefined;
  #changed = true;

  constructor(directory: ScriptDir) {
    const changed = (): void => {
      this.#changed = true;
      this.#wake();
    };
    const watcher = watch(directory.path, changed);
    watcher.on('error', changed);
    const timer = setInterval(changed, lookAgainMs);
    this.#close = () => {
      watcher.close();
      clearInterval(timer);
    };
  }

  /** Resolves at the next change since the last call. */
  async next(signal: AbortSignal): Promise<void> {
    while (!this.#changed) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await raceSignal(woken, signal);
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
