import { readdirSync } from 'node:fs';
import type { IgnoreScope, Judgement } from '../../protocol/pull/source/ignore-scope.ts';

export interface WalkedEntry {
  readonly isDir: boolean;
  /** Sent, or a directory with something in it that is. */
  readonly sent: boolean;
  readonly judgement: Judgement;
}

/** What a scope says of every path of a tree (latin1-held, relative), also below what it ignores; not of `.git`. */
export function walkScope(root: string, scope: IgnoreScope): Map<string, WalkedEntry> {
  const entries = new Map<string, WalkedEntry>();
  const visit = (directory: string, here: IgnoreScope, walked: boolean): boolean => {
    let some = false;
    for (const [name, isDir] of namesIn(`${root}/${directory}`)) {
      if (name === '.git') continue;
      const judgement = here.judge(name, isDir);
      const path = directory + name;
      let sent = walked && judgement.send;
      if (isDir) {
        const names = new Set(namesIn(`${root}/${path}`).keys());
        const inside = here.enter(name, { ignoreFile: names.has('.gitignore'), git: names.has('.git') });
        sent = visit(`${path}/`, inside, walked && judgement.walk) || sent;
      }
      entries.set(path, { isDir, sent, judgement });
      some ||= sent;
    }
    return some;
  };
  visit('', scope, true);
  return entries;
}

function namesIn(directory: string): Map<string, boolean> {
  const found = readdirSync(Buffer.from(directory, 'latin1'), { withFileTypes: true, encoding: 'buffer' });
  return new Map(found.map((entry) => [entry.name.toString('latin1'), entry.isDirectory()]));
}

/** A scope that ignores nothing. */
export const everythingSent: IgnoreScope = {
  judge: () => ({ send: true, walk: true, verdict: { ignored: false }, tracked: false }),
  enter: () => everythingSent,
};
