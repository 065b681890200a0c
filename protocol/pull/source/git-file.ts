import { posix } from 'node:path';
import { parentOf, type RootPath } from '../../base/root-path.ts';

const prefix = 'gitdir:';

/**
 * Where a `.git` file (of a worktree or a submodule) points to, if that is outside the root or absolute: on a node
 * nothing will be there. `content` is the file's, `path` its path in `root`. Undefined when it points inside.
 */
export function gitDirOutside(content: Buffer, path: RootPath, root: string): string | undefined {
  const line = content.toString('latin1', 0, 4200).split('\n')[0] ?? '';
  if (!line.startsWith(prefix)) return undefined;
  const target = line.slice(prefix.length).trim();
  if (posix.isAbsolute(target)) return target;
  const resolved = posix.join(root, parentOf(path), target);
  return resolved === root || resolved.startsWith(`${root}/`) ? undefined : resolved;
}
