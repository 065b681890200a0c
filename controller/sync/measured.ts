import { setTimeout } from 'node:timers/promises';
import { raceSignal } from '../../protocol/base/abort.ts';
import type { Link } from '../../protocol/link/link.ts';

/** Resolves when it is known how far the other end of a link is, which decides what is sent to it, or after `limitMs`; of a new link it is not known at once. */
export async function measured(
  { measured: known }: Pick<Link<never>, 'measured'>,
  signal: AbortSignal,
  limitMs = 2000,
): Promise<void> {
  const stop = new AbortController();
  const late = setTimeout(limitMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
  try {
    await raceSignal(Promise.race([known, late]), signal);
  } finally {
    stop.abort();
  }
}
