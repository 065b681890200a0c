import { mkdirSync, readdirSync } from 'node:fs';
import { TowError } from '../../base/errors.ts';
import { displayPath, parentOf } from '../../base/root-path.ts';
import { type Kept, type KeptVersions, moveObject } from './kept-versions.ts';
import { look } from './print.ts';

/**
 * Puts a kept version back where it was. What lies there now is kept in its stead, under `ID-r`. For a repository's state
 * each file goes back to its place in `.git`. Blocking.
 */
export function restoreKept(kept: KeptVersions, id: string): void {
  const version = kept.find(id);
  if (version === undefined)
    throw new TowError('conflict-missing', `no kept version ${id}`, { hint: 'tow conflicts ls NAME lists them' });
  if (version.reason === 'git-state') {
    for (const inside of filesBelow(version.data, ''))
      restoreObject(kept, version, `${version.data}/${inside}`, `${version.path}/${inside}`, inside);
  } else {
    restoreObject(kept, version, version.data, version.path, '');
  }
  kept.drop(id);
}

function restoreObject(kept: KeptVersions, version: Kept, data: string, path: string, inside: string): void {
  const target = path === '' ? version.root : `${version.root}/${path}`;
  const { id, root, dest, reason } = version;
  const where = Buffer.from(target, 'latin1');
  const parent = Buffer.from(`${version.root}/${parentOf(path)}`, 'latin1');
  if (path !== '') {
    mkdirSync(parent, { recursive: true });
    if (look(parent)?.isDirectory() !== true)
      throw new TowError(
        'io',
        `cannot restore ${displayPath(path)}: ${displayPath(target)} has no directory to lie in`,
      );
  }
  if (look(where) !== undefined) kept.keep(`${id}-r`, { root, dest, path: version.path, reason }, target, inside);
  moveObject(Buffer.from(data, 'latin1'), where);
}

/** Relative paths of everything in a directory tree that is no directory. */
function filesBelow(directory: string, prefix: string): string[] {
  return readdirSync(Buffer.from(directory, 'latin1'), { encoding: 'buffer', withFileTypes: true }).flatMap((entry) => {
    const name = Buffer.from(entry.name).toString('latin1');
    const path = prefix === '' ? name : `${prefix}/${name}`;
    return entry.isDirectory() ? filesBelow(`${directory}/${name}`, path) : [path];
  });
}
