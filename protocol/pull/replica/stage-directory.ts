import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { errnoOf, TowError } from '../../base/errors.ts';
import { displayPath } from '../../base/root-path.ts';
import { splitNs } from '../../base/split-ns.ts';
import { setPathMtime } from '../../libc/libc.ts';
import { look } from './print.ts';
import { removeStaged } from './remove-staged.ts';

/** Of what came in a stage before there was a manifest (files-in-advance.ts). */
export const aheadName = 'ahead';
/** Of large files that were begun before there was a delta (early-copies.ts). */
export const earlyName = 'early';

/**
 * A directory to stage in, from which a rename into the root works: in the root's state if it is on the same mount,
 * else beside the root, else (the root is a mount point itself) inside it. Tried, because equal device numbers prove
 * nothing where a directory is mounted twice. Blocking.
 */
export function stageDirectory(stateDir: string, root: string, key: string): string {
  const into = intoWhich(root);
  for (const candidate of candidates(stateDir, root, key)) if (renameWorks(candidate, into, key)) return candidate;
  throw new TowError('permission-denied', `cannot write in ${displayPath(into)}`, {
    hint: `give the account write permission on ${displayPath(into)}`,
  });
}

/** Deletes what was begun early and not taken. Blocking. */
export function discardEarly(stage: string): void {
  removeStaged(Buffer.from(`${stage}/${earlyName}`, 'latin1'));
}

/** Deletes what an agent that is gone had begun early for a root (latin1; undefined if it is not known), wherever that was. Blocking. */
export function discardAllEarly(stateDir: string, root: string | undefined, key: string): void {
  for (const stage of root === undefined ? [`${stateDir}/stage`] : candidates(stateDir, root, key)) discardEarly(stage);
}

/** Deletes what an earlier pull staged, wherever that was. Blocking. */
export function discardStages(stateDir: string, root: string, key: string): void {
  for (const candidate of candidates(stateDir, root, key)) {
    removeStaged(Buffer.from(candidate, 'latin1'));
  }
}

function candidates(stateDir: string, root: string, key: string): readonly string[] {
  const beside = [parentDirectory(root), intoWhich(root)].map((above) => `${above}/.towline-stage-${key}`);
  return [`${stateDir}/stage`, ...beside];
}

/** The directory that renames lead into. */
function intoWhich(root: string): string {
  return look(Buffer.from(root, 'latin1'))?.isDirectory() === true ? root : parentDirectory(root);
}

function renameWorks(stage: string, into: string, key: string): boolean {
  const probe = Buffer.from(`${stage}/.probe`, 'latin1');
  const target = Buffer.from(`${into}/.towline-probe-${key}`, 'latin1');
  const before = look(Buffer.from(into, 'latin1'));
  try {
    mkdirSync(Buffer.from(stage, 'latin1'), { recursive: true, mode: 0o700 });
    writeFileSync(probe, '');
    renameSync(probe, target);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EXDEV' && errno !== 'EACCES' && errno !== 'EPERM' && errno !== 'EROFS') throw error;
    return false;
  } finally {
    rmSync(probe, { force: true });
    rmSync(target, { force: true });
    // A pull that is cancelled later leaves the root as it was, its time too.
    if (before !== undefined) setBackTime(into, before.mtimeNs);
  }
}

function setBackTime(path: string, mtimeNs: bigint): void {
  const { sec, nsec } = splitNs(mtimeNs);
  try {
    setPathMtime(Buffer.from(path, 'latin1'), sec, nsec);
  } catch (error) {
    // The directory is somebody else's: then its time is not ours to set.
    if (errnoOf(error) !== 'EPERM' && errnoOf(error) !== 'EACCES') throw error;
  }
}

function parentDirectory(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
