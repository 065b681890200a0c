import { realpathSync, statfsSync } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf, TowError } from '../../base/errors.ts';
import { displayPath, isSafeName, type NativePath } from '../../base/root-path.ts';
import { isSharedDirectory, systemDirectoryOf } from '../../base/system-directory.ts';
import { makeDirectory } from './make-directory.ts';
import { mountPointOf } from './mount-table.ts';
import { look } from './print.ts';

/**
 * Where a node may have roots beside its home: anywhere on its machine; where its mount namespace has something of its
 * own (a local node); nowhere (a local node without a namespace).
 */
export type Reach = 'machine' | 'namespace' | 'home';

export interface DestinationRules {
  /** Home of the account on the node, latin1. */
  readonly home: string;
  readonly reach: Reach;
}

/** A destination as the task writes it (`~`, `~/…` or absolute, latin1), made absolute and normalised. */
export function absoluteDestination(dest: string, home: string): string {
  const absolute = dest === '~' ? home : dest.startsWith('~/') ? `${home}/${dest.slice(2)}` : dest;
  return posix.normalize(absolute).replace(/(.)\/+$/, '$1');
}

/**
 * Where the root of a destination lies, symlinks resolved: a destination that is a symlink to a directory is followed, so
 * that people can put a root on another disk. Directories above it are made (make-directory.ts). Throws
 * `mount-destination-refused` for what is the system's, not in the node's reach, or Towline's own state. Blocking.
 */
export function resolveDestination(dest: string, { home, reach }: DestinationRules): string {
  const refuse = (why: string, hint = 'choose a destination under ~ or /tmp', cause?: unknown): TowError =>
    new TowError('mount-destination-refused', `cannot sync to ${displayPath(dest)}: ${why}`, { hint, cause });
  const path = absoluteDestination(dest, home);
  if (!path.startsWith('/') || !path.slice(1).split('/').every(isSafeName)) throw refuse('it is no path on a node');
  if (dest.split('/').includes('..')) throw refuse('it leads upwards');
  refuseSystem(path, home);
  let real: string | undefined;
  try {
    real = throughSymlinks(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw refuse('the account cannot look at it', undefined, error);
  }
  if (real === undefined)
    throw refuse('it is a symlink that leads nowhere', `remove the symlink ${displayPath(dest)} on the node`);
  const realHome = throughSymlinks(home) ?? home;
  refuseSystem(real, realHome);
  if (!real.startsWith(`${realHome}/`)) refuseBeyond(existing(real));
  makeDirectory(posix.dirname(real), dest, reach === 'machine');
  return real;

  function refuseSystem(at: string, inHome: string): void {
    if (at === inHome || inHome.startsWith(`${at}/`)) throw refuse('the home lies in it');
    const own = `${inHome}/.towline`;
    if (at === own || at.startsWith(`${own}/`)) throw refuse("it is Towline's own directory on the node");
    if (at.startsWith(`${inHome}/`)) return;
    if (isSharedDirectory(at))
      throw refuse('it is there on every machine for many to use', `name a directory in it: ${displayPath(at)}/NAME`);
    const system = systemDirectoryOf(at);
    if (system !== undefined)
      throw refuse(`${system} is the system's`, 'choose a destination such as /mnt/data or ~/data');
  }

  function refuseBeyond(there: NativePath): void {
    if (kernelFileSystems.has(statfsSync(there).type)) throw refuse('it lies in a file system of the kernel');
    if (reach === 'home')
      throw refuse(
        'this local node has nothing of its own there, for want of a mount namespace',
        'choose a destination under ~; others need `unshare -Urm` to work on this machine, or nodes reached by ssh',
      );
    if (reach === 'namespace' && !['/', '/tmp'].includes(mountPointOf(there.toString('latin1'))))
      throw refuse('there it is not the local node that would be written to, but this machine');
  }
}

/** Types as statfs(2) says them: proc, sysfs, cgroup (1 and 2), devpts, debugfs, tracefs, securityfs, bpf, configfs, efivarfs. */
const kernelFileSystems = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11, 0x62656570,
  0xde5e81e4,
]);

/** The path itself or the nearest directory above it that is there. */
function existing(path: string): Buffer {
  for (let at = path; ; at = posix.dirname(at)) {
    const there = Buffer.from(at, 'latin1');
    if (at === '/' || look(there) !== undefined) return there;
  }
}

/** The path with its symlinks resolved as far as there is something; undefined if one leads nowhere. Throws what forbids to look. */
function throughSymlinks(path: string): string | undefined {
  const there = existing(path);
  try {
    const real = realpathSync(there, { encoding: 'buffer' }).toString('latin1');
    const rest = path.slice(there.length).replace(/^\/+/, '');
    return rest === '' ? real : `${real.replace(/\/$/, '')}/${rest}`;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ELOOP') throw error;
    return undefined;
  }
}
