import { chmodSync, readdirSync, rmSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { absolutePath, type NativePath } from '../../base/root-path.ts';
import { look } from './print.ts';

/**
 * Deletes what was staged at a path, if anything was, directories too that have their modes already and forbid it.
 * Blocking.
 */
export function removeStaged(where: NativePath): void {
  const stats = look(where);
  if (stats === undefined) return;
  // Not by `rmSync`, which leaves a symlink to nothing where it is, and says nothing (Node 24).
  if (!stats.isDirectory()) unlinkSync(where);
  else removeDirectory(where);
}

function removeDirectory(where: NativePath): void {
  try {
    rmSync(where, { recursive: true, force: true });
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
    openDirectories(where);
    rmSync(where, { recursive: true, force: true });
  }
}

function openDirectories(where: NativePath): void {
  if (look(where)?.isDirectory() !== true) return;
  chmodSync(where, 0o700);
  for (const name of readdirSync(where, { encoding: 'latin1' }))
    openDirectories(absolutePath(where.toString('latin1'), name));
}
