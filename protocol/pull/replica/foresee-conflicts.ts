import { absolutePath, type RootPath } from '../../base/root-path.ts';
import type { ConflictReason } from '../../wire/pull.ts';
import { gitPath } from './git-state.ts';
import type { Journal } from './journal.ts';
import type { Op } from './op.ts';
import { look, noPrint, printOf } from './print.ts';

export interface Foreseen {
  readonly id: string;
  readonly path: RootPath;
  readonly reason: ConflictReason;
}

/** The id of what the op at this index of a journal keeps, made from these alone: a second run after a crash means the same version. */
export function keptId(journal: Journal, at: number): string {
  return `${journal.id}-${at}`;
}

/**
 * Files that a switch will keep, as far as can be seen before it: a guess, for writing them down all at once. Directories, and
 * what is a repository's state, are few and are left out. Blocking: looks at the path of every op.
 */
export function foreseeConflicts(journal: Journal): Foreseen[] {
  const foreseen: Foreseen[] = [];
  for (const [at, op] of journal.ops.entries()) {
    const reason = reasonFor(op, journal);
    if (reason !== undefined && op.op !== 'appear') foreseen.push({ id: keptId(journal, at), path: op.path, reason });
  }
  return foreseen;
}

function reasonFor(op: Op, { root, stage }: Journal): ConflictReason | undefined {
  if (op.op === 'appear' || op.op === 'rmdir' || op.op === 'meta' || op.op === 'patch' || op.path === '')
    return undefined;
  const stats = look(absolutePath(root, op.path));
  if (stats === undefined || stats.isDirectory() || gitPath(op.path) !== undefined) return undefined;
  const print = printOf(stats);
  switch (op.op) {
    case 'remove':
      return print === op.expect ? undefined : 'deleted-at-source';
    case 'mkdir':
      return print === op.expect ? undefined : 'in-the-way';
    case 'move':
    case 'moveTree':
      return look(absolutePath(root, op.from)) === undefined ? undefined : 'in-the-way';
    case 'place':
      // What was placed by a run that broke off lies there rightly, and is not in the stage any more.
      if (print === op.expect || look(Buffer.from(`${stage}/files/${op.staged}`, 'latin1')) === undefined)
        return undefined;
      return op.expect === noPrint ? 'in-the-way' : 'changed';
  }
}
