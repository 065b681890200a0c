import { throwIfAborted } from '../../base/abort.ts';
import type { TaskGroup } from '../../base/task-group.ts';
import type { MadeFiles } from './promised-files.ts';

/**
 * Has a thread make what was promised (promised-files.ts) while other things come in: a few ms at a time, so that those find
 * the thread free soon.
 */
export class Making {
  readonly #group: TaskGroup;
  readonly #make: (signal: AbortSignal) => Promise<MadeFiles>;
  #goesOn = false;

  /** `make` runs in the group, one at a time. */
  constructor(group: TaskGroup, make: (signal: AbortSignal) => Promise<MadeFiles>) {
    this.#group = group;
    this.#make = make;
  }

  /** There may be something to make. Call it once the thread has what it is to be made from. */
  wake(): void {
    if (this.#goesOn) return;
    this.#goesOn = true;
    this.#group.run(async (signal) => {
      while (this.#goesOn) {
        throwIfAborted(signal);
        const { more } = await this.#make(signal);
        this.#goesOn = more;
      }
    });
  }
}
