/** Puts a `GitCase` on disk, without git. Every path is latin1-held. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { errnoOf } from '../../protocol/base/errors.ts';
import { foldCase } from '../../protocol/pull/source/ignore/glob.ts';
import type { ExcludesHow, GitCase, RuleFile, TrackedEntry } from './git-case.ts';
import { everythingSent, type WalkedEntry, walkScope } from './ignore-walk.ts';

export interface Layout {
  readonly one: GitCase;
  /** Absolute. */
  readonly top: string;
  readonly home: string;
  /** Everything below `top` but `.git`, relative. */
  readonly paths: ReadonlyMap<string, WalkedEntry>;
  /** A directory that is a repository of its own, relative. */
  readonly nested: string | undefined;
}

export function layOut(where: string, one: GitCase): Layout {
  const top = `${where}/top`;
  const home = `${where}/home`;
  for (const directory of [top, `${home}/.config/git`]) mkdirSync(directory, { recursive: true });
  const spelled = new Map<string, string>();
  for (const { path, kind } of one.items) make(`${top}/${one.ignoreCase ? spellAlike(path, spelled) : path}`, kind);
  const directories = [...walkScope(top, everythingSent)].filter(([, { isDir }]) => isDir).map(([path]) => path);
  for (const { pick, rules, symlink } of one.ignoreFiles) {
    const file = `${top}/${['', ...directories][pick % (directories.length + 1)] ?? ''}/.gitignore`;
    if (symlink) unlessInTheWay(() => symlinkSync('../elsewhere', bytes(file)));
    else writeRules(file, rules);
  }
  writeGitDir(`${top}/.git`, one.hash, `[CORE]\nignoreCase = ${String(one.ignoreCase)}\n${layExcludes(where, one)}`);
  if (one.exclude !== undefined) writeRules(`${top}/.git/info/exclude`, one.exclude);
  const nested = directories.length === 0 ? undefined : layNested(where, one, directories);
  return { one, top, home, nested, paths: walkScope(top, everythingSent) };
}

/** As a file system would have it that ignores case: each name as it was spelled first. */
function spellAlike(path: string, spelled: Map<string, string>): string {
  let folded = '';
  return path
    .split('/')
    .map((name) => {
      folded += `/${foldCase(name)}`;
      const first = spelled.get(folded) ?? name;
      spelled.set(folded, first);
      return first;
    })
    .join('/');
}

function make(where: string, kind: 'file' | 'dir' | 'symlink'): void {
  unlessInTheWay(() => {
    mkdirSync(bytes(kind === 'dir' ? where : parent(where)), { recursive: true });
    if (kind === 'file') writeFileSync(bytes(where), '', { flag: 'wx' });
    if (kind === 'symlink') symlinkSync('.', bytes(where));
  });
}

/** What the repository's own configuration has to say of it. */
function layExcludes(where: string, { excludes }: GitCase): string {
  if (excludes === undefined) return '';
  const files: Partial<Record<ExcludesHow, string>> = {
    default: 'home/.config/git/ignore',
    emptied: 'home/.config/git/ignore',
    relative: 'work/excl',
  };
  const setting = '[core]\n\texcludesFile = "~/ex" # mine\n';
  const includes: Partial<Record<ExcludesHow, string>> = {
    home: setting,
    include: '[include] path = more\n',
    includeIf: '[includeIf "gitdir:wo?k/"]\npath = ~/more\n[includeIf "onbranch:mai"]\npath = nowhere',
    notIncluded: '[includeIf "gitdir:wo?k"]\npath = ~/more\n',
  };
  writeRules(`${where}/${files[excludes.how] ?? 'home/ex'}`, excludes.rules);
  writeFileSync(`${where}/home/more`, setting);
  if (excludes.how === 'xdg') writeFileSync(`${where}/home/.config/git/config`, setting);
  const include = includes[excludes.how];
  if (include !== undefined) writeFileSync(`${where}/home/.gitconfig`, include);
  return excludes.how === 'relative' ? 'excludesFile = excl\n' : excludes.how === 'emptied' ? 'excludesFile =\n' : '';
}

function layNested(where: string, { nested, hash }: GitCase, directories: readonly string[]): string | undefined {
  const path = directories[(nested?.pick ?? 0) % directories.length];
  if (nested === undefined || path === undefined) return undefined;
  const dotGit = `${where}/top/${path}/.git`;
  if (nested.kind === 'empty-git') mkdirSync(bytes(dotGit));
  if (nested.kind === 'broken-file') writeFileSync(bytes(dotGit), 'gitdir: ../nowhere\n');
  if (nested.kind === 'empty-git' || nested.kind === 'broken-file') return undefined;
  let gitDir = dotGit;
  if (nested.kind === 'submodule') {
    gitDir = `${where}/top/.git/modules/sub`;
    const up = path.replaceAll(/[^/]+/g, '..');
    writeFileSync(bytes(dotGit), `gitdir: ${up}/.git/modules/sub\n`);
  }
  if (nested.kind === 'worktree') {
    gitDir = `${where}/other.git`;
    const linked = `${gitDir}/worktrees/w`;
    mkdirSync(linked, { recursive: true });
    writeFileSync(`${linked}/HEAD`, 'ref: refs/heads/w\n');
    writeFileSync(`${linked}/commondir`, '../..\n');
    writeFileSync(bytes(dotGit), `gitdir: ${linked}\n`);
  }
  writeGitDir(gitDir, hash, '');
  if (nested.exclude !== undefined) writeRules(`${gitDir}/info/exclude`, nested.exclude);
  return path;
}

function writeGitDir(gitDir: string, hash: 'sha1' | 'sha256', config: string): void {
  for (const name of ['objects', 'refs', 'info']) mkdirSync(bytes(`${gitDir}/${name}`), { recursive: true });
  writeFileSync(bytes(`${gitDir}/HEAD`), 'ref: refs/heads/main\n');
  const format = hash === 'sha256' ? '1\n[extensions]\nobjectFormat = sha256\n' : '0\n';
  writeFileSync(bytes(`${gitDir}/config`), bytes(`[core]\nrepositoryformatversion = ${format}${config}`));
}

/**
 * Paths for the index of the outer repository, or of the nested one, relative to it; none lies below another. The outer
 * one tracks nothing in the nested one.
 */
export function pathsToTrack(
  { paths, nested, one }: Layout,
  tracked: readonly TrackedEntry[],
  inNested: boolean,
): string[] {
  const prefix = nested === undefined ? undefined : `${nested}/`;
  const files = [...paths].filter(([, { isDir }]) => !isDir).map(([path]) => path);
  const mine = files.filter((path) => (prefix !== undefined && path.startsWith(prefix)) === inNested);
  const chosen = new Set<string>();
  const fold = (path: string): string => (one.ignoreCase ? foldCase(path) : path);
  for (const { pick, phantom } of tracked) {
    const path = phantom ?? mine[pick % Math.max(1, mine.length)]?.slice(inNested ? prefix?.length : 0);
    if (path === undefined || (!inNested && prefix !== undefined && related(fold(path), fold(prefix.slice(0, -1)))))
      continue;
    if (![...chosen].some((other) => related(fold(path), fold(other)))) chosen.add(path);
  }
  return [...chosen];
}

/** Whether one is the other, or lies below it. */
function related(one: string, other: string): boolean {
  return `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`);
}

function writeRules(where: string, { lines, ending }: RuleFile): void {
  mkdirSync(bytes(parent(where)), { recursive: true });
  unlessInTheWay(() => writeFileSync(bytes(where), bytes(lines.map((one) => one + ending).join('')), { flag: 'wx' }));
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const parent = (path: string): string => path.slice(0, path.lastIndexOf('/'));

/** Does it unless the tree already has something in the way. */
function unlessInTheWay(act: () => void): void {
  try {
    act();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || !['EEXIST', 'ENOTDIR', 'EISDIR'].includes(errno)) throw error;
  }
}
