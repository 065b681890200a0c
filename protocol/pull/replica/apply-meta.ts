import { type BigIntStats, chmodSync } from 'node:fs';
import { absolutePath, type NativePath } from '../../base/root-path.ts';
import { splitNs } from '../../base/split-ns.ts';
import { setPathMtime } from '../../libc/libc.ts';
import { isOwn } from './claim-root.ts';
import type { MetaOp } from './op.ts';
import { kindOf, look, printOf, printVersion } from './print.ts';

/** Sets mode, then mtime, of what is at a path if it is of the op's kind. False if it is not any more what the plan found there. Blocking. */
export function applyMeta(root: string, op: MetaOp): boolean {
  const where = absolutePath(root, op.path);
  const stats = look(where);
  if (stats === undefined || kindOf(stats) !== (op.kind === 'hardlink' ? 'file' : op.kind)) return true;
  // Another link to it, made by this very switch, has changed the rest of its print.
  if (op.expect !== undefined && printVersion(printOf(stats)) !== printVersion(op.expect)) return false;
  // A directory that somebody else made for the root keeps their mode and times.
  if (op.path === '' && op.kind === 'dir' && !isOwn(stats)) return true;
  if (op.kind !== 'symlink' && (Number(stats.mode) & 0o7777) !== op.mode) chmodSync(where, op.mode);
  setPathMtime(where, op.mtimeSec, op.mtimeNsec);
  return true;
}

/** Gives a directory the mode and mtime of another one. */
export function applyStats(where: NativePath, { mode, mtimeNs }: BigIntStats): void {
  chmodSync(where, Number(mode) & 0o7777);
  const { sec, nsec } = splitNs(mtimeNs);
  setPathMtime(where, sec, nsec);
}
