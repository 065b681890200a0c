import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { type OpenedIgnore, openIgnore } from '../../protocol/pull/source/ignore/open-ignore.ts';
import { runGit } from './git-oracle.ts';
import { walkScope } from './ignore-walk.ts';

/** A directory to put trees and repositories in, and a home, away from any repository of this machine. */
export class IgnoreBench implements Disposable {
  readonly top: string;
  readonly home: string;
  #runs = 0;

  constructor() {
    this.top = realpathSync(mkdtempSync(join(tmpdir(), 'towline-rules-')));
    this.home = join(this.top, 'home');
    mkdirSync(this.home);
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true });
  }

  /** Writes files by path; a path that ends in `/` is a directory. */
  write(files: Readonly<Record<string, string>>): void {
    for (const [path, content] of Object.entries(files)) {
      const where = join(this.top, path);
      mkdirSync(path.endsWith('/') ? where : dirname(where), { recursive: true });
      if (!path.endsWith('/')) writeFileSync(where, content, 'latin1');
    }
  }

  /** Runs git in a directory; latin1-held output. */
  git(directory: string, ...args: readonly string[]): string {
    this.#runs += 1;
    const cwd = bytesOf(join(this.top, directory));
    const [output = ''] = runGit([{ cwd, home: bytesOf(this.home), args }], join(this.top, `git-${this.#runs}`));
    return output;
  }

  open(root: string): OpenedIgnore {
    return openIgnore({
      root: bytesOf(join(this.top, root)),
      home: bytesOf(this.home),
      xdgConfigHome: undefined,
      systemConfig: bytesOf(join(this.top, 'etc/gitconfig')),
    });
  }

  /** Everything sent below a root, sorted; directories end in `/`. */
  sent(root: string, opened = this.open(root)): string[] {
    return [...walkScope(bytesOf(join(this.top, root)), opened.scope)]
      .filter(([, { sent }]) => sent)
      .map(([path, { isDir }]) => (isDir ? `${path}/` : path))
      .sort();
  }

  /** `FILE:LINE` of the rule that decides on a path, FILE relative to `top`; '' if there is none. */
  rule(root: string, path: string): string {
    const entry = walkScope(bytesOf(join(this.top, root)), this.open(root).scope).get(path);
    const rule = entry?.judgement.verdict.rule;
    return rule === undefined ? '' : `${rule.file.slice(bytesOf(this.top).length + 1)}:${rule.line}`;
  }
}
