import { readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import type { RuleReader } from './rule-reader.ts';

/** A git repository with a work tree. All paths absolute, latin1-held. */
export interface Repository {
  /** The work tree. */
  readonly top: string;
  /** Has HEAD and the index. */
  readonly gitDir: string;
  /** Has what worktrees share: config, info/exclude, objects; often the same as `gitDir`. */
  readonly commonDir: string;
}

const marker = 'gitdir: ';

/** The repository that `directory` lies in, found as git finds it: upwards, on one file system, not from inside a `.git`. */
export function findRepository(directory: string, reader: RuleReader): Repository | undefined {
  const device = reader.device(directory);
  for (let at = directory; reader.device(at) === device; at = posix.dirname(at)) {
    const found = repositoryAt(at, reader);
    if (found !== undefined) return found;
    if (at === '/' || isGitDir(at, reader)) return undefined;
  }
  return undefined;
}

/** The repository whose work tree is `top`, if it is one. */
export function repositoryAt(top: string, reader: RuleReader): Repository | undefined {
  const dotGit = joinTo(top, '.git');
  const kind = reader.kind(dotGit);
  if (kind === undefined) return undefined;
  const gitDir = kind === 'dir' ? dotGit : linkedGitDir(top, dotGit, reader);
  if (gitDir === undefined || !isGitDir(gitDir, reader)) return undefined;
  return { top, gitDir, commonDir: commonDirOf(gitDir, reader) };
}

/** Where a `.git` file leads to. */
function linkedGitDir(top: string, dotGit: string, reader: RuleReader): string | undefined {
  const text = reader.readText(dotGit, { follow: true });
  if (text?.startsWith(marker) !== true) return undefined;
  const target = text.slice(marker.length).replace(/[\r\n]+$/, '');
  if (target === '' || target.includes('\0')) return undefined;
  const gitDir = resolveFrom(top, target);
  if (!isGitDir(gitDir, reader))
    reader.warn(dotGit, 'leads to no repository: its index and its own ignore rules are not known');
  return gitDir;
}

/** Whether git takes a directory for a git directory: it has a HEAD, objects and refs. */
function isGitDir(directory: string, reader: RuleReader): boolean {
  if (!isHead(joinTo(directory, 'HEAD'), reader)) return false;
  const common = commonDirOf(directory, reader);
  return reader.kind(joinTo(common, 'objects')) === 'dir' && reader.kind(joinTo(common, 'refs')) === 'dir';
}

/** Which branch it names has no say: it changes with every checkout. */
export function isHead(path: string, reader: RuleReader): boolean {
  const link = linkText(path);
  const text = link === undefined ? (reader.peek(path, { follow: false })?.toString('latin1') ?? '') : '';
  const head = link?.startsWith('refs/') ?? (/^ref:\s*refs\//.test(text) || /^[0-9a-f]{40}/i.test(text));
  reader.note('head', path, String(head));
  return head;
}

function linkText(path: string): string | undefined {
  try {
    return readlinkSync(Buffer.from(path, 'latin1'), 'buffer').toString('latin1');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function commonDirOf(gitDir: string, reader: RuleReader): string {
  const text = reader.readText(joinTo(gitDir, 'commondir'), { follow: true });
  const target = text?.replace(/[\r\n]+$/, '') ?? '';
  return target === '' || target.includes('\0') ? gitDir : resolveFrom(gitDir, target);
}

/** A path that may be relative to `directory`. */
export function resolveFrom(directory: string, path: string): string {
  return posix.isAbsolute(path) ? posix.normalize(path) : posix.join(directory, path);
}

/** A name in an absolute directory, which may be `/`. */
export function joinTo(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}
