import { posix } from 'node:path';
import { bytesOf, isSafeName } from '../../protocol/base/root-path.ts';
import { systemDirectoryOf } from '../../protocol/base/system-directory.ts';
import { quoted, type YamlFile } from '../yaml/yaml-file.ts';
import { isUri } from './bucket-uri.ts';
import type { FileMount } from './task.ts';

export const workdirDestination = '~/sky_workdir';

/**
 * Where a mount lies on the nodes, from the key of `file_mounts` at `at`: `~/…` or absolute, normalised. What is neither
 * is relative to the workdir. Throws `invalid-task`.
 */
export function parseDestination(dest: string, at: number, file: YamlFile, hasWorkdir: boolean): string {
  const fail = (why: string, hint: string): Error => file.fail(at, `the destination ${quoted(dest)} ${why}`, hint);
  if (isUri(dest)) throw fail('is in a bucket', 'write DESTINATION: SOURCE, the destination is a path on the nodes');
  if (dest.endsWith('/'))
    throw fail(
      'ends with a slash',
      `write ${dest.replace(/\/+$/, '') || '/mydir'}: what a directory holds goes into it`,
    );
  if (/^~[^/]/.test(dest)) throw fail("is in another user's home", 'begin it with ~/ or /');
  const inWorkdir = dest !== '~' && !dest.startsWith('~/') && !dest.startsWith('/');
  const [first = '', ...rest] = (inWorkdir ? `${workdirDestination}/${dest}` : dest).split('/');
  if (rest.includes('..')) throw fail('contains ..', 'write it without ..');
  const path = posix.normalize([first, ...rest].join('/'));
  const names = path.split('/').slice(1);
  if (dest === '' || names.length === 0 || path === '/')
    throw fail('is not below a directory', 'name a path below ~ or /tmp');
  if (!names.every((name) => isSafeName(bytesOf(name)) && !/[\0-\x1f\x7f]/.test(name))) {
    throw fail('has a name no file can have here', 'use names of at most 255 bytes, without control characters');
  }
  const system = systemDirectoryOf(path);
  if (system !== undefined)
    throw fail(
      path === system ? "is the system's" : `lies in ${system}, which is the system's`,
      'choose a directory of your own, such as /mnt/data or ~/data',
    );
  if (path === workdirDestination && (hasWorkdir || inWorkdir)) {
    throw fail(
      'is where the workdir goes',
      `mount into a directory below ${workdirDestination}, or leave the workdir out`,
    );
  }
  return path;
}

/** Mounts in the order of their destinations, each with the number of roots it lies in. */
export function withLevels<T extends Pick<FileMount, 'dest'>>(
  mounts: readonly T[],
): (T & { readonly level: number })[] {
  const roots = new Set([workdirDestination, ...mounts.map(({ dest }) => dest)]);
  return [...mounts]
    .sort((a, b) => (a.dest < b.dest ? -1 : 1))
    .map((mount) => ({ ...mount, level: [...roots].filter((root) => mount.dest.startsWith(`${root}/`)).length }));
}
