/**
 * The settings of git that bear on what is ignored, gathered from where git looks: the system's file, the user's two, the
 * repository's, the worktree's, and what they include. Later ones win.
 */
import { posix } from 'node:path';
import { parseConfig } from './config-file.ts';
import { expandHome } from './expand-home.ts';
import { conditionHolds } from './include-condition.ts';
import { joinTo, type Repository, resolveFrom } from './repository.ts';
import type { RuleReader } from './rule-reader.ts';

/** Where a user's own git files are; absolute, latin1-held. */
export interface GitHome {
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  readonly systemConfig: string;
}

export interface GitSettings {
  /** Absolute. */
  readonly excludesFile: string;
  readonly ignoreCase: boolean;
  /** Bytes of an object name in the index. */
  readonly hashBytes: 20 | 32;
}

const maxIncludeDepth = 10;

/** Settings as they hold in `repository`, or outside any; `directory` is what a relative excludes file is relative to. */
export function readGitSettings(
  { home, xdgConfigHome, systemConfig }: GitHome,
  repository: Repository | undefined,
  directory: string,
  reader: RuleReader,
): GitSettings {
  const xdg = xdgConfigHome === undefined || xdgConfigHome === '' ? joinTo(home, '.config') : xdgConfigHome;
  const gatherer = new Gatherer(home, repository, reader);
  for (const file of [systemConfig, `${xdg}/git/config`, joinTo(home, '.gitconfig')]) gatherer.read(file, 0);
  if (repository !== undefined) {
    gatherer.read(joinTo(repository.commonDir, 'config'), 0);
    if (isTrue(gatherer.own.get('extensions.worktreeconfig')))
      gatherer.read(joinTo(repository.gitDir, 'config.worktree'), 0);
  }
  const { values } = gatherer;
  const sha256 = gatherer.own.get('extensions.objectformat')?.toLowerCase() === 'sha256';
  return {
    excludesFile: gatherer.excludesFile(directory) ?? `${xdg}/git/ignore`,
    ignoreCase: isTrue(values.get('core.ignorecase')),
    hashBytes: sha256 ? 32 : 20,
  };
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && /^(?:true|yes|on|0*[1-9][0-9]*[kmg]?)$/i.test(value);
}

class Gatherer {
  readonly values = new Map<string, string>();
  /** Those that stand in the repository's file itself; `extensions.*` count nowhere else. */
  readonly own = new Map<string, string>();
  readonly #home: string;
  readonly #repository: Repository | undefined;
  readonly #reader: RuleReader;
  /** The file that set the excludes file. */
  #excludesSetBy = '';

  constructor(home: string, repository: Repository | undefined, reader: RuleReader) {
    this.#home = home;
    this.#repository = repository;
    this.#reader = reader;
  }

  read(file: string, depth: number): void {
    const content = this.#reader.readText(file, { follow: true });
    if (content === undefined) return;
    const { settings, brokenLine } = parseConfig(content);
    if (brokenLine !== undefined)
      this.#reader.warn(file, `line ${brokenLine} is no git setting: settings from there on are left out`);
    const own = depth === 0 && file === joinTo(this.#repository?.commonDir ?? '', 'config');
    for (const { name, value } of settings) {
      if (name === 'include.path') this.#include(value ?? '', file, depth);
      else if (name.startsWith('includeif.') && name.endsWith('.path')) {
        const context = { repository: this.#repository, file, home: this.#home, reader: this.#reader };
        const condition = name.slice('includeif.'.length, -'.path'.length);
        if (conditionHolds(condition, context)) this.#include(value ?? '', file, depth);
      } else {
        this.values.set(name, value ?? 'true');
        if (own) this.own.set(name, value ?? 'true');
        if (name === 'core.excludesfile') this.#excludesSetBy = file;
      }
    }
  }

  #include(path: string, from: string, depth: number): void {
    const expanded = expandHome(path, this.#home);
    if (expanded === undefined || path === '' || depth >= maxIncludeDepth) {
      this.#reader.warn(from, `cannot include ${path === '' ? 'nothing' : path}: it is left out`);
      return;
    }
    this.read(resolveFrom(posix.dirname(from), expanded), depth + 1);
  }

  /** Undefined when none is set; one that is set to nothing stands for no file. */
  excludesFile(directory: string): string | undefined {
    const path = this.values.get('core.excludesfile');
    if (path === undefined) return undefined;
    const expanded = expandHome(path, this.#home);
    if (expanded === undefined)
      this.#reader.warn(this.#excludesSetBy, `core.excludesFile=${path} is left out: give it in full`);
    return expanded === undefined || expanded === '' ? '/dev/null' : resolveFrom(directory, expanded);
  }
}
