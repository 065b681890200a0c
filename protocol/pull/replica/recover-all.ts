import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { WorkerPool } from '../../base/worker-pool.ts';
import { rootOf } from './inner-roots.ts';
import { discardAllEarly } from './stage-directory.ts';
import type { ReplicaTasks } from './worker.ts';

/**
 * Finishes every switch that a crash interrupted, one after the other, in a thread, and deletes what was begun early for a pull. Returns the keys of the roots that
 * were rolled forward, and what could not be (no space, say): such a root fails again, with its reason, at its next pull,
 * and no job may start before.
 */
export async function recoverAllRoots(
  options: { readonly rootsDir: string; readonly conflictsDir: string; readonly script: string },
  signal: AbortSignal,
): Promise<{
  readonly rolledForward: readonly string[];
  readonly failed: readonly { readonly key: string; readonly error: unknown }[];
}> {
  mkdirSync(options.rootsDir, { recursive: true, mode: 0o700 });
  const rolledForward: string[] = [];
  const failed: { key: string; error: unknown }[] = [];
  const keys = readdirSync(options.rootsDir);
  for (const key of keys) discardLeft(join(options.rootsDir, key), key);
  const interrupted = keys.filter((key) => existsSync(join(options.rootsDir, key, 'journal')));
  if (interrupted.length === 0) return { rolledForward, failed };
  const thread = new WorkerPool<ReplicaTasks>(options.script, 'replica', 1);
  try {
    for (const key of interrupted) {
      try {
        const done = await thread.run(
          'recover',
          { stateDir: join(options.rootsDir, key), conflictsDir: options.conflictsDir },
          signal,
        );
        if (done.rolledForward) rolledForward.push(key);
      } catch (error) {
        failed.push({ key, error });
      }
    }
  } finally {
    await thread.close();
  }
  return { rolledForward, failed };
}

function discardLeft(stateDir: string, key: string): void {
  try {
    discardAllEarly(Buffer.from(stateDir).toString('latin1'), rootOf(stateDir), key);
  } catch {
    // The next pull of that root says what is wrong with it.
  }
}
