import { mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf, TowError } from '../../base/errors.ts';
import { displayPath, isSafeName } from '../../base/root-path.ts';
import { splitNs } from '../../base/split-ns.ts';
import { setPathMtime } from '../../libc/libc.ts';
import { look } from './print.ts';

export interface DestinationRules {
  /** Home of the account on the node, latin1. */
  readonly home: string;
  /** Whether `/tmp` is the node's own. On a local node without a mount namespace it is the user's. */
  readonly tmp: boolean;
}

/**
 * Where a root lies: `dest` as the task writes it (`~/…` or absolute, latin1) made absolute. A destination that is a
 * symlink to a directory is followed, so that people can put a root on another disk; parents are made. Refuses what is
 * not under the home or /tmp, and Towline's own state. Blocking.
 */
export function resolveDestination(dest: string, rules: DestinationRules): string {
  const shown = displayPath(dest);
  const absolute = dest === '~' ? rules.home : dest.startsWith('~/') ? `${rules.home}/${dest.slice(2)}` : dest;
  const path = posix.normalize(absolute).replace(/(.)\/+$/, '$1');
  const hint = 'choose a destination under ~ or /tmp';
  const refuse = (why: string): TowError =>
    new TowError('mount-destination-refused', `cannot sync to ${shown}: ${why}`, { hint });
  if (!path.startsWith('/') || !path.slice(1).split('/').every(isSafeName)) throw refuse('it is no path on a node');
  if (dest.split('/').includes('..')) throw refuse('it leads upwards');
  if (path === rules.home || rules.home.startsWith(`${path}/`)) throw refuse('the home lies in it');
  const inHome = path.startsWith(`${rules.home}/`);
  if (path.startsWith('/tmp/') && !inHome && !rules.tmp)
    throw refuse('/tmp of this local node is not its own, for want of a mount namespace');
  if (!inHome && !path.startsWith('/tmp/')) throw refuse('it lies neither under the home nor under /tmp');
  const own = `${rules.home}/.towline`;
  if (path === own || path.startsWith(`${own}/`)) throw refuse("it is Towline's own directory on the node");
  const parent = path.slice(0, path.lastIndexOf('/'));
  try {
    mkdirSync(Buffer.from(parent, 'latin1'), { recursive: true });
  } catch (error) {
    throw new TowError('mount-destination-refused', `cannot sync to ${shown}: cannot make ${displayPath(parent)}`, {
      hint,
      cause: error,
    });
  }
  const stats = look(Buffer.from(path, 'latin1'));
  if (stats?.isSymbolicLink() !== true) return path;
  try {
    return realpathSync(Buffer.from(path, 'latin1'), { encoding: 'buffer' }).toString('latin1');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new TowError('mount-destination-refused', `cannot sync to ${shown}: it is a symlink that leads nowhere`, {
      cause: error,
      hint: `remove the symlink ${shown} on the node`,
    });
  }
}

/**
 * A directory to stage in, from which a rename into the root works: in the root's state if it is on the same mount,
 * else beside the root, else (the root is a mount point itself) inside it. Tried, because equal device numbers prove
 * nothing where a directory is mounted twice. Blocking.
 */
export function stageDirectory(stateDir: string, root: string, key: string): string {
  const into = look(Buffer.from(root, 'latin1'))?.isDirectory() === true ? root : parentDirectory(root);
  const candidates = [
    `${stateDir}/stage`,
    `${parentDirectory(root)}/.towline-stage-${key}`,
    `${into}/.towline-stage-${key}`,
  ];
  for (const candidate of candidates) if (renameWorks(candidate, into, key)) return candidate;
  throw new TowError('permission-denied', `cannot write in ${displayPath(into)}`, {
    hint: `give the account write permission on ${displayPath(into)}`,
  });
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
