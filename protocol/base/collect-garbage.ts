import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Frees what nothing holds any more. V8 puts that off until memory is asked for, which a process at rest does not do.
 * Blocking: some 10 ms for a heap of 20 MB, so for when nobody waits.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    // Of a context that is made after the flag is set.
    setFlagsFromString('--expose-gc');
    const found: unknown = runInNewContext('gc');
    setFlagsFromString('--no-expose-gc');
    collect = typeof found === 'function' ? () => void found() : () => undefined;
  }
  collect();
}
