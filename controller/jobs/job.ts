import { raceSignal } from '../../protocol/base/abort.ts';
import type { JobState } from '../api/event.ts';
import type { JobRecord } from './job-record.ts';

export type ScriptKind = 'setup' | 'run';

/** A job of this daemon's life: its record, and who waits for it to change. */
export class Job {
  #record: JobRecord;
  readonly #started = new Set<ScriptKind>();
  readonly #pids = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  readonly #cancel = new AbortController();

  constructor(record: JobRecord) {
    this.#record = record;
  }

  get record(): JobRecord {
    return this.#record;
  }

  get ended(): boolean {
    return isEnd(this.#record.state);
  }

  /** Aborts when somebody cancels the job. */
  get cancelled(): AbortSignal {
    return this.#cancel.signal;
  }

  cancel(): void {
    this.#cancel.abort();
  }

  hasStarted(kind: ScriptKind): boolean {
    return this.#started.has(kind);
  }

  /** Pid of a script's runner; undefined where this daemon has not heard of it. */
  pidOf(kind: ScriptKind, rank: number): number | undefined {
    return this.#pids.get(`${kind} ${rank}`);
  }

  /** A script is on its node, under a runner. */
  began(kind: ScriptKind, rank: number, pid: number): void {
    this.#pids.set(`${kind} ${rank}`, pid);
  }

  /** The scripts of a kind are on their nodes. */
  start(kind: ScriptKind): void {
    this.#started.add(kind);
    this.#wake();
  }

  update(change: Partial<Pick<JobRecord, 'state' | 'exitCodes' | 'note'>>): JobRecord {
    this.#record = { ...this.#record, ...change };
    this.#wake();
    return this.#record;
  }

  /** Resolves once `met` holds; it is looked at again after every change. */
  async when(met: (job: Job) => boolean, signal: AbortSignal): Promise<void> {
    while (!met(this)) {
      let wake: () => void = () => undefined;
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
        this.#waiting.add(resolve);
      });
      try {
        await raceSignal(changed, signal);
      } finally {
        this.#waiting.delete(wake);
      }
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}

export function isEnd(state: JobState): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'FAILED_SETUP' || state === 'CANCELLED';
}
