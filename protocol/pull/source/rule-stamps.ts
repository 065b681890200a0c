/** What tells that files which rules are read from did not change. Paths are absolute and latin1-held. Blocking. */
import { type BigIntStats, lstatSync, realpathSync, statSync } from 'node:fs';
import { Grain } from './grain.ts';

/** The stamp of what nothing can be told of. */
export const unreadable = 'unreadable';

export function stampsOf(paths: readonly string[]): Map<string, string> {
  return new Map(paths.map((path) => [path, stampOf(path)]));
}

/** Of what is at a path, or that nothing is. */
export function stampOf(path: string): string {
  try {
    const bytes = Buffer.from(path, 'latin1');
    const stats = lstatSync(bytes, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return '';
    // A directory's times tell of its names, which is not what anybody asks of it here.
    if (stats.isDirectory()) return `dir ${stats.dev} ${stats.ino}`;
    // Some rules are read through symlinks.
    if (stats.isSymbolicLink()) return `${stats.ino} ${stats.ctimeNs} ${stampOf(realpathSync(bytes, 'latin1'))}`;
    return `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs} ${stats.mode} ${stats.nlink}`;
  } catch {
    return unreadable;
  }
}

/** Whether a change of any of these files after `sinceMs` gives it another stamp than it had then. */
export function areSettled(paths: Iterable<string>, sinceMs: number): boolean {
  const grain = new Grain();
  const since = BigInt(Math.floor(sinceMs)) * 1_000_000n;
  for (const path of paths) {
    const bytes = Buffer.from(path, 'latin1');
    for (const ask of [lstatSync, statSync]) {
      let stats: BigIntStats | undefined;
      try {
        stats = ask(bytes, { bigint: true, throwIfNoEntry: false });
      } catch {
        return false;
      }
      if (stats !== undefined && !stats.isDirectory() && since - stats.ctimeNs <= grain.of(stats, bytes)) return false;
    }
  }
  return true;
}
