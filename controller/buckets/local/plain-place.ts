/** Paths in `files/`: looked at and made without ever following a symlink that lies in it. */
import type { BigIntStats } from 'node:fs';
import { lstat, mkdir, realpath, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../../../protocol/base/errors.ts';
import type { BucketFiles } from './bucket-files.ts';

/** What of a path is there, if it is a file and every directory above is one; undefined for anything else. */
export async function lookAtFile(files: BucketFiles, path: string): Promise<BigIntStats | undefined> {
  const parent = dirname(path);
  if (parent !== files.files && (await realPath(parent)) !== parent) return undefined;
  const stats = await statOf(path);
  if (stats?.isFile() !== true) return undefined;
  return files.foldsCase && (await realPath(path)) !== path ? undefined : stats;
}

/** lstat; undefined when there is nothing. */
export async function statOf(path: string | Buffer): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    return unlessAbsent(error);
  }
}

/**
 * Whether a file can be put at `path`: makes the directories above. False where something else is in the way: a file or
 * symlink above, anything but a file at the path, or a name that differs in case alone. Returns the directories whose
 * names changed.
 */
export async function prepare(files: BucketFiles, path: string): Promise<readonly string[] | false> {
  const touched = await makeParents(files, dirname(path));
  if (touched === false) return false;
  const stats = await statOf(path);
  if (stats === undefined) return touched;
  if (!stats.isFile()) return false;
  return files.foldsCase && (await realPath(path)) !== path ? false : touched;
}

async function makeParents(files: BucketFiles, parent: string): Promise<readonly string[] | false> {
  if (parent === files.files) return [];
  // A file has a real path as well.
  if ((await realPath(parent)) === parent && (await statOf(parent))?.isDirectory() === true) return [];
  const touched: string[] = [];
  let at = files.files;
  for (const name of parent.slice(at.length + 1).split('/')) {
    const above = at;
    at = `${above}/${name}`;
    try {
      await mkdir(at, { mode: 0o755 });
      touched.push(above);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENAMETOOLONG' || errno === 'ENOTDIR') return false;
      if (errno !== 'EEXIST') throw error;
      if ((await statOf(at))?.isDirectory() !== true) return false;
      if (files.foldsCase && (await realPath(at)) !== at) return false;
    }
  }
  return touched;
}

/** Removes the directories above a removed file that are empty now. Returns those whose names changed. */
export async function prune(files: BucketFiles, path: string): Promise<readonly string[]> {
  const touched = [dirname(path)];
  for (let at = dirname(path); at !== files.files; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      // Not empty, or gone: no harm either way.
      break;
    }
    touched.push(dirname(at));
  }
  return touched;
}

async function realPath(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    return unlessAbsent(error);
  }
}

function unlessAbsent(error: unknown): undefined {
  const errno = errnoOf(error);
  if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'ENAMETOOLONG') return undefined;
  throw error;
}
