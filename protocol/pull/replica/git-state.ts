import type { RootPath } from '../../base/root-path.ts';

/** A path inside a repository's `.git`: the `.git` directory, and the rest. */
export interface GitPath {
  readonly gitDir: RootPath;
  readonly inside: string;
}

export function gitPath(path: RootPath): GitPath | undefined {
  const match = /^((?:.*\/)?\.git)\/(.+)$/s.exec(path);
  return match?.[1] === undefined || match[2] === undefined ? undefined : { gitDir: match[1], inside: match[2] };
}

const transient = new Set(['index', 'FETCH_HEAD', 'ORIG_HEAD', 'COMMIT_EDITMSG', 'gc.log', 'gc.pid']);

/**
 * Whether git writes this file by itself in daily use (a mere `git status` rewrites the index), so that a node's
 * version is worth nothing to keep: index, locks, logs and last-command notes, of submodules too.
 */
export function isTransientGitFile({ inside }: GitPath): boolean {
  const own = inside.replace(/^(?:modules\/.+?\/(?=index$|logs\/|[A-Z_]+HEAD$)|worktrees\/[^/]+\/)/s, '');
  return transient.has(own) || own.endsWith('.lock') || own.startsWith('logs/');
}
