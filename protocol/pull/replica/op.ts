import type { RootPath } from '../../base/root-path.ts';
import type { EntryKind } from '../../chunk/entry.ts';
import type { Extent } from '../../libc/libc.ts';
import type { Print } from './print.ts';

/**
 * One step of a switch; each can be run again. `expect` is the print of what the op may take the place of, `noPrint`
 * when nothing of ours is there: anything else that is found is moved to conflicts first.
 */
export type Op =
  /** The staged tree becomes the root, which does not exist. */
  | { readonly op: 'appear' }
  /** Removes a path of ours that is no directory. */
  | { readonly op: 'remove'; readonly path: RootPath; readonly expect: Print }
  /** Removes a directory of ours if nothing is left in it. */
  | { readonly op: 'rmdir'; readonly path: RootPath }
  | { readonly op: 'mkdir'; readonly path: RootPath; readonly expect: Print }
  /**
   * Renames a staged file or symlink, complete with mode and times, to its path; or a directory with all that is below
   * it, but for its own mode and times. What is in a directory that turned up there meanwhile stays.
   */
  | { readonly op: 'place'; readonly path: RootPath; readonly staged: string; readonly expect: Print }
  | PatchOp
  /** Renames a file of ours that the source has renamed, complete with mode and times. */
  | { readonly op: 'move'; readonly path: RootPath; readonly from: RootPath; readonly expect: Print }
  /**
   * Renames a directory of ours, with all that is in it, that the source has renamed; `expect` is its own print. If
   * something else is in it by now, its files are moved one by one, and that stays.
   */
  | { readonly op: 'moveTree'; readonly path: RootPath; readonly from: RootPath; readonly expect: Print }
  | MetaOp;

/**
 * Puts what is staged, a file of the new size with holes for what is `kept`, into the file that is there; or else fills the
 * holes from it, and places the whole.
 */
export interface PatchOp {
  readonly op: 'patch';
  readonly path: RootPath;
  readonly staged: string;
  readonly expect: Print;
  readonly size: number;
  readonly mode: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Ascending. */
  readonly kept: readonly Extent[];
}

/** Sets mode and mtime of what is there, if it still is of that kind and, where it was looked at, has the size and mtime that it had. */
export interface MetaOp {
  readonly op: 'meta';
  readonly path: RootPath;
  readonly kind: EntryKind;
  readonly mode: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Of a file or a symlink of which the plan found out that it has our contents. */
  readonly expect?: Print;
}
