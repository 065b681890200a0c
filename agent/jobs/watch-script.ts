import { type FSWatcher, watch } from 'node:fs';
import { raceSignal } from '../../protocol/base/abort.ts';
import type { ScriptDir } from './script-dir.ts';

/** A runner that was killed changes no file, so it is looked for at least this often. */
const lookAgainMs = 1000;

/** Tells when something about a script may have changed: its files, or that its runner is gone. */
export class ScriptWatch implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;
  #wake: () => void = () => undefined;
  #changed = true;

  constructor(directory: ScriptDir) {
    const changed = (): void => {
      this.#changed = true;
      this.#wake();
    };
    this.#watcher = watchDirectory(directory.path, changed);
    this.#timer = setInterval(changed, lookAgainMs);
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
    this.#watcher?.close();
    clearInterval(this.#timer);
  }
}

function watchDirectory(path: string, changed: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, changed);
    watcher.on('error', changed);
    return watcher;
  } catch {
    // Out of inotify watches: the timer alone is slower, and right.
    return undefined;
  }
}
