import { TowError } from '../../protocol/base/errors.ts';
import type { Link } from '../../protocol/link/link.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';

/** The link to one node, which comes and goes: the newest one counts. */
export class NodeSession {
  #link: Link<AgentMethods> | undefined;
  #seen = false;
  readonly #waiting = new Set<(link: Link<AgentMethods>) => void>();

  get current(): Link<AgentMethods> | undefined {
    return this.#link;
  }

  /** Whether there ever was one. */
  get seen(): boolean {
    return this.#seen;
  }

  /** A new link takes the place of the one before, which is closed. */
  attach(link: Link<AgentMethods>): void {
    this.#link?.close(new TowError('link-lost', 'the agent dialled again', { retryable: true }));
    this.#link = link;
    this.#seen = true;
    for (const resolve of this.#waiting) resolve(link);
    this.#waiting.clear();
    void link.closed.then(() => {
      if (this.#link === link) this.#link = undefined;
    });
  }

  detach(reason: TowError): void {
    this.#link?.close(reason);
    this.#link = undefined;
  }

  /** The link, now or as soon as there is one within `timeoutMs`; undefined then. Rejects when `signal` aborts. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<Link<AgentMethods> | undefined> {
    if (this.#link !== undefined) return this.#link;
    signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.#waiting.delete(settle);
      };
      const settle = (link: Link<AgentMethods> | undefined): void => {
        end();
        resolve(link);
      };
      const abort = (): void => {
        end();
        reject(signal.reason instanceof TowError ? signal.reason : new TowError('cancelled', 'cancelled'));
      };
      const timer = setTimeout(() => settle(undefined), timeoutMs);
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.add(settle);
    });
  }
}
