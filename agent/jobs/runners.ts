/**
 * Starts runners. A job whose start is announced (`job.expect`) finds one that is ready: Node's start, which takes longer
 * than all else on the way to a script, and the shell files are behind it. One that is ready waits on its stdin and ends
 * when that does: with the agent, however the agent ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { ScriptDir } from './script-dir.ts';
import { runnerOrder } from './spare-runner.ts';

/** A runner is kept ready for so long after it was of use: edits and jobs follow each other for a while. */
const keptMs = 10 * 60_000;
/** The next one starts when the script that was just started has had the processors for itself. */
const restMs = 1000;

export class Runners implements Disposable {
  readonly #bundle: string;
  readonly #home: string;
  #spare: ChildProcess | undefined;
  /** Pulls before the expected script; undefined when none is expected. */
  #pulls: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { readonly bundle: string; readonly home: string }) {
    this.#bundle = options.bundle;
    this.#home = options.home;
  }

  /** A script was asked for and will be started when this many roots were pulled. */
  expect(pulls: number): void {
    this.#pulls = pulls;
    this.#prepare();
    this.#readShellFiles();
  }

  /** A root was pulled. */
  pulled(): void {
    if (this.#pulls === undefined) return;
    this.#pulls -= 1;
    this.#readShellFiles();
  }

  /** Once, as they are when all is synced: they may be among what is, and reading them may do things. */
  #readShellFiles(): void {
    if (this.#pulls === 0) this.#spare?.stdin?.write(runnerOrder('shell-files', this.#home));
  }

  /** Runs a script. Shell files that were read ahead hold for one script: that one may write them. */
  run(directory: ScriptDir): void {
    const what = this.#pulls === 0 ? 'run' : 'run-afresh';
    this.#pulls = undefined;
    if (this.#spare === undefined) {
      // No process to be had: the script is lost at once, not when nobody has claimed it for long.
      this.#spawn([directory.path], 'ignore').once('error', () => directory.abandon());
    } else {
      const spare = this.#spare;
      this.#spare = undefined;
      // It may have been killed: without a claim nobody runs the script, and of two runners one gets it.
      spare.once('exit', () => {
        if (directory.isUnclaimed) this.run(directory);
      });
      spare.stdin?.end(runnerOrder(what, directory.path));
    }
    this.#after(restMs, () => this.#prepare());
  }

  /** Ends the one that is ready. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#spare?.stdin?.destroy();
    this.#spare = undefined;
  }

  #prepare(): void {
    this.#after(keptMs, () => this[Symbol.dispose]());
    if (this.#spare !== undefined) return;
    const spare = this.#spawn([], 'pipe');
    const gone = (): void => {
      if (this.#spare === spare) this.#spare = undefined;
    };
    spare.once('error', gone).once('exit', gone);
    spare.stdin?.on('error', gone);
    this.#spare = spare;
  }

  #spawn(args: readonly string[], stdin: 'ignore' | 'pipe'): ChildProcess {
    const runner = spawn(process.execPath, [this.#bundle, 'runner', ...args], {
      detached: true,
      stdio: [stdin, 'ignore', 'ignore'],
      cwd: this.#home,
    });
    runner.unref();
    return runner;
  }

  #after(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
    this.#timer.unref();
  }
}
