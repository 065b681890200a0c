import { type BigIntStats, lstatSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { absolutePath, joinPath, type NativePath, type RootPath } from '../../base/root-path.ts';
import type { Judgement, OpenIgnore } from './ignore-scope.ts';
import type { PathStanding, WalkInput } from './tasks.ts';

const absent: PathStanding = { state: 'absent', rule: undefined, tracked: false };

/**
 * How paths stand at the source now: there or not, and by which rule ignored. Never looks through a symlink: what lies
 * beyond one is absent. A path in a directory that cannot be searched counts as sent. Blocking.
 */
export function standings(input: WalkInput, paths: readonly RootPath[], openIgnore: OpenIgnore): PathStanding[] {
  const { root, home, xdgConfigHome } = input;
  const top = openIgnore({ root, home, xdgConfigHome }).scope;
  return paths.map((path) => {
    let scope: typeof top | undefined = top;
    let at = '';
    let judgement: Judgement | undefined;
    const names = path.split('/');
    for (const [depth, name] of names.entries()) {
      const last = depth === names.length - 1;
      at = joinPath(at, name);
      const stats = look(absolutePath(root, at));
      if (stats === 'hidden') return { ...absent, state: 'sent' };
      if (stats === undefined || (!last && !stats.isDirectory())) return absent;
      if (scope === undefined) continue;
      if (name === '.git') {
        if (!input.sendGit) return { ...absent, state: 'unsent' };
        scope = undefined;
        continue;
      }
      judgement = scope.judge(name, stats.isDirectory());
      const { rule } = judgement.verdict;
      if (!judgement.send && (last || !judgement.walk)) return { state: 'ignored', rule, tracked: judgement.tracked };
      if (!last) {
        const has = (file: string): boolean => look(absolutePath(root, joinPath(at, file))) !== undefined;
        scope = scope.enter(name, { ignoreFile: has('.gitignore'), git: has('.git') });
      } else if (!stats.isDirectory() && !stats.isFile() && !stats.isSymbolicLink())
        return { ...absent, state: 'unsent' };
    }
    return { state: 'sent', rule: judgement?.verdict.rule, tracked: judgement?.tracked ?? false };
  });
}

function look(path: NativePath): BigIntStats | 'hidden' | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return errno === 'ENOENT' || errno === 'ENOTDIR' ? undefined : 'hidden';
  }
}
