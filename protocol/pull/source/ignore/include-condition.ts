import { posix } from 'node:path';
import { expandHome } from './expand-home.ts';
import { compileGlob, foldCase } from './glob.ts';
import { joinTo, type Repository } from './repository.ts';
import type { RuleReader } from './rule-reader.ts';

export interface ConditionContext {
  readonly repository: Repository | undefined;
  /** The file that has the condition. */
  readonly file: string;
  readonly home: string;
  readonly reader: RuleReader;
}

/**
 * Whether the condition of an `includeIf` section holds: `gitdir:`, `gitdir/i:` and `onbranch:`. Others do not, with a
 * warning: `hasconfig:` asks for remotes, which have no say in what is ignored.
 */
export function conditionHolds(condition: string, context: ConditionContext): boolean {
  const { repository, file, reader } = context;
  const colon = condition.indexOf(':');
  const keyword = condition.slice(0, colon);
  const pattern = condition.slice(colon + 1);
  switch (keyword) {
    case 'gitdir':
    case 'gitdir/i':
      return repository !== undefined && gitDirMatches(pattern, keyword === 'gitdir/i', repository, context);
    case 'onbranch':
      return repository !== undefined && branchMatches(pattern, repository, reader);
    default:
      reader.warn(file, `has a condition that is not known (${condition}): what it includes is left out`);
      return false;
  }
}

function gitDirMatches(
  pattern: string,
  ignoreCase: boolean,
  { gitDir }: Repository,
  { file, home }: ConditionContext,
): boolean {
  const fold = (text: string): string => (ignoreCase ? foldCase(text) : text);
  const expanded = expandHome(pattern, home);
  if (expanded === undefined) return false;
  const nearby = expanded.startsWith('./');
  // What stands for the dot is a path, not a pattern.
  const prefix = nearby ? joinTo(posix.dirname(file), '') : '';
  const anchored = nearby ? expanded.slice(2) : posix.isAbsolute(expanded) ? expanded : `**/${expanded}`;
  if (!fold(gitDir).startsWith(fold(prefix))) return false;
  const glob = compileGlob(anchored.endsWith('/') ? `${anchored}**` : anchored, { path: true, ignoreCase });
  return glob?.matches(fold(gitDir), prefix.length) ?? false;
}

function branchMatches(pattern: string, { gitDir }: Repository, reader: RuleReader): boolean {
  const head = reader.readText(joinTo(gitDir, 'HEAD'), { follow: false });
  const branch = /^ref:\s*refs\/heads\/(.*)/.exec(head ?? '')?.[1];
  if (branch === undefined) return false;
  const whole = pattern.endsWith('/') ? `${pattern}**` : pattern;
  return compileGlob(whole, { path: true, ignoreCase: false })?.matches(branch.trimEnd()) ?? false;
}
