/**
 * git's rules in one directory of a work tree, or of a tree outside any repository.
 *
 * An ignored directory is entered only if git tracks something in it; then nothing else in it is sent, whatever its own
 * `.gitignore` says. A nested repository starts over, with its own rules.
 */
import type { IgnoreScope, Judgement } from '../ignore-scope.ts';
import type { NamedRule } from '../tasks.ts';
import { type GitHome, type GitSettings, readGitSettings } from './git-settings.ts';
import { joinTo, type Repository, repositoryAt } from './repository.ts';
import type { RuleReader } from './rule-reader.ts';
import { RuleSet } from './rule-set.ts';
import { NamesBuilder } from './tracked-names.ts';
import { readTrackedPaths, type TrackedNames, TrackedPaths } from './tracked-paths.ts';

const ignoreFile = '.gitignore';

interface Place {
  /** Absolute. */
  readonly directory: string;
  /** The way here from the top of the work tree: '' or 'a/b/', folded if case is ignored. */
  readonly below: string;
  readonly rules: RuleSet;
  readonly tracked: TrackedPaths;
  /** What ignored this directory or one above. */
  readonly ignoredBy: NamedRule | undefined;
  readonly reader: RuleReader;
  readonly gitHome: GitHome;
}

/** The rules at `root`, which is `repository.top` or below. Parents' rules count, but none of them ignores the root. */
export function openGitScope(
  root: string,
  repository: Repository | undefined,
  gitHome: GitHome,
  reader: RuleReader,
): GitScope {
  const directory = repository?.top ?? root;
  const settings = readGitSettings(gitHome, repository, directory, reader);
  let rules = RuleSet.empty(settings.ignoreCase).with(settings.excludesFile, reader, { follow: true });
  if (repository !== undefined)
    rules = rules.with(joinTo(repository.commonDir, 'info/exclude'), reader, { follow: true });
  rules = rules.with(joinTo(directory, ignoreFile), reader, { follow: false });
  const tracked = trackedIn(repository, settings, reader);
  let place: Place = { directory, below: '', rules, tracked, ignoredBy: undefined, reader, gitHome };
  const names = root
    .slice(directory.length)
    .split('/')
    .filter((name) => name !== '');
  for (const name of names) place = descend(place, name, true);
  return new GitScope(place);
}

function trackedIn(repository: Repository | undefined, settings: GitSettings, reader: RuleReader): TrackedPaths {
  const { hashBytes, ignoreCase } = settings;
  return new TrackedPaths(() => {
    if (repository === undefined) return new NamesBuilder().finish();
    const index = { top: repository.top, gitDir: repository.gitDir, hashBytes, ignoreCase };
    const names = reader.knownNames(index) ?? readTrackedPaths(index, reader);
    reader.noteTracked({ index, names });
    return names;
  });
}

function descend(place: Place, name: string, hasIgnoreFile: boolean): Place {
  const directory = joinTo(place.directory, name);
  const entered = place.rules.enter(name);
  const rules = hasIgnoreFile ? entered.with(joinTo(directory, ignoreFile), place.reader, { follow: false }) : entered;
  return { ...place, directory, rules, below: `${place.below}${rules.fold(name)}/` };
}

export class GitScope implements IgnoreScope {
  readonly #place: Place;
  /** Once something here is ignored. */
  #tracked: TrackedNames | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  /** `tracked` is said of ignored entries only: git tracks it, or something in it. */
  judge(name: string, isDir: boolean): Judgement {
    const { rules, ignoredBy, tracked, below } = this.#place;
    if (name === '.git') return { send: true, walk: isDir, verdict: { ignored: false }, tracked: false };
    const pattern = ignoredBy === undefined ? rules.match(name, isDir) : undefined;
    const rule = ignoredBy ?? pattern?.rule;
    const ignored = ignoredBy !== undefined || pattern?.negative === false;
    if (!ignored) return { send: true, walk: isDir, verdict: { ignored, rule }, tracked: false };
    this.#tracked ??= tracked.in(below);
    const { files, gitlinks, directories } = this.#tracked;
    const itself = (isDir ? gitlinks : files).has(rules.fold(name));
    const inside = isDir && (itself || directories.has(rules.fold(name)));
    return { send: itself, walk: inside, verdict: { ignored, rule }, tracked: itself || inside };
  }

  enter(name: string, has: { readonly ignoreFile: boolean; readonly git: boolean }): GitScope {
    const { directory, reader, gitHome } = this.#place;
    const { send, verdict } = this.judge(name, true);
    if (send && has.git) {
      const nested = repositoryAt(joinTo(directory, name), reader);
      if (nested !== undefined) return openGitScope(nested.top, nested, gitHome, reader);
    }
    if (!verdict.ignored) return new GitScope(descend(this.#place, name, has.ignoreFile));
    return new GitScope({ ...descend(this.#place, name, false), ignoredBy: verdict.rule });
  }
}
