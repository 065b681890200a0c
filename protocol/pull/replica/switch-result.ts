import type { Problem } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import type { ConflictReason } from '../../wire/pull.ts';

export interface SwitchResult {
  readonly conflicts: readonly { readonly id: string; readonly path: RootPath; readonly reason: ConflictReason }[];
  /** Paths whose op failed for a reason of their own (no permission, say); the rest went on. */
  readonly problems: readonly Problem[];
  /** Paths whose staged file was gone: an earlier run of this journal placed them, so what is there now, and below it, is not proven ours. */
  readonly unproven: ReadonlySet<RootPath>;
  /** Paths that could not be put in place, with all that is below them. */
  readonly unplaced: ReadonlySet<RootPath>;
}
