import type { IgnoreScope } from '../ignore-scope.ts';
import { openGitScope } from './git-scope.ts';
import { findRepository, joinTo } from './repository.ts';
import { RuleReader } from './rule-reader.ts';
import type { RuleState } from './rule-state.ts';
import { TowScope } from './tow-scope.ts';

export interface IgnoreOptions {
  /** Absolute, symlinks resolved; latin1-held, as are the others. */
  readonly root: string;
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  /** The configuration of all users; `/etc/gitconfig` unless given. */
  readonly systemConfig?: string;
  /** Git's indexes that need not be read, by git directory. */
  readonly tracked?: RuleState['tracked'] | undefined;
}

export interface OpenedIgnore {
  readonly scope: IgnoreScope;
  /** Sentences for the user; complete once the tree was walked. */
  warnings(): readonly string[];
  /** What the verdicts hang on. Complete once the tree was walked. */
  state(): RuleState;
}

/** The first that is there replaces all of git's rules. */
const ownFiles = ['.towignore', '.skyignore'];

/**
 * The ignore rules at a root: those of `.towignore` or `.skyignore` if the root has one, git's otherwise. Blocking; reads
 * rules, configuration and, when something ignored might be tracked, the index. What cannot be read is a warning.
 */
export function openIgnore({ root, home, xdgConfigHome, systemConfig, tracked }: IgnoreOptions): OpenedIgnore {
  const reader = new RuleReader(tracked);
  const own = ownFiles.find((name) => reader.kind(joinTo(root, name)) === 'file');
  const gitHome = { home, xdgConfigHome, systemConfig: systemConfig ?? '/etc/gitconfig' };
  const scope =
    own === undefined
      ? openGitScope(root, findRepository(root, reader), gitHome, reader)
      : TowScope.open(root, own, reader);
  return {
    scope,
    warnings: () => reader.warnings(),
    state: () => ({ inputs: reader.inputs(), facts: reader.facts(), tracked: reader.tracked() }),
  };
}
