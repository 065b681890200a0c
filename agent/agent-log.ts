import { appendFileSync, renameSync, statSync } from 'node:fs';

const maxBytes = 1 << 20;

/** The agent's log: lines with a time, at most two files of 1 MiB. Secrets never get here. */
export class AgentLog {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  line(text: string): void {
    try {
      appendFileSync(this.#path, `${new Date().toISOString()} ${text}\n`, { mode: 0o600 });
      if (statSync(this.#path).size > maxBytes) renameSync(this.#path, `${this.#path}.1`);
    } catch {
      // A full disk must not end the agent.
    }
  }
}
