import type { RuleState } from './ignore/rule-state.ts';
import type { NamedRule } from './tasks.ts';

/** What the ignore rules say of one name in a directory. */
export interface Judgement {
  /** It is sent for itself. */
  readonly send: boolean;
  /** It is a directory that may hold something that is sent. */
  readonly walk: boolean;
  readonly verdict: { readonly ignored: boolean; readonly rule?: NamedRule | undefined };
  readonly tracked: boolean;
}

/** The rules as they stand in one directory. */
export interface IgnoreScope {
  judge(name: string, isDir: boolean): Judgement;
  /** The rules in a directory below, which has files of these names. */
  enter(name: string, has: { readonly ignoreFile: boolean; readonly git: boolean }): IgnoreScope;
}

/** Opens the rules at a root; `warnings` and `state` are complete once the tree was walked. */
export type OpenIgnore = (where: {
  readonly root: string;
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  /** Git's indexes that need not be read, by git directory. */
  readonly tracked?: RuleState['tracked'] | undefined;
}) => { readonly scope: IgnoreScope; warnings(): readonly string[]; state(): RuleState };
