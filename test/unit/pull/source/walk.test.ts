import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinPath } from '../../../../protocol/base/root-path.ts';
import type { IgnoreScope, OpenIgnore } from '../../../../protocol/pull/source/ignore-scope.ts';
import { Listing, unframeListings } from '../../../../protocol/pull/source/listing.ts';
import { openRules } from '../../../../protocol/pull/source/open-rules.ts';
import { standings } from '../../../../protocol/pull/source/stand-task.ts';
import { rootItself, type WalkTask } from '../../../../protocol/pull/source/tasks.ts';
import { walkSource } from '../../../../protocol/pull/source/walk.ts';

const rule = { file: '.gitignore', line: 3, pattern: 'x*' };

/** Names that begin with `x` are ignored, but `tracked` counts everywhere, and keeps an ignored directory open. */
const openIgnore: OpenIgnore = () => {
  const scope: IgnoreScope = {
    judge(name, isDir) {
      const ignored = name.startsWith('x');
      return { send: !ignored, walk: isDir, verdict: ignored ? { ignored, rule } : { ignored }, tracked: false };
    },
    enter: (name) => (name.startsWith('x') ? onlyTracked : scope),
  };
  return {
    scope,
    warnings: () => ['a warning'],
    state: () => ({ inputs: ['/rules'], facts: new Map(), tracked: new Map() }),
  };
};
const onlyTracked: IgnoreScope = {
  judge: (name, isDir) => ({
    send: name === 'tracked',
    walk: isDir,
    verdict: { ignored: true, rule },
    tracked: name === 'tracked',
  }),
  enter: () => onlyTracked,
};

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'towline-walk-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function touch(...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), '');
  }
}

function input(sendGit = true) {
  return {
    root,
    home: '/',
    xdgConfigHome: undefined,
    sendGit,
    only: undefined,
    rules: 'r',
    cancel: new Int32Array(new SharedArrayBuffer(4)),
  };
}

function walk(sendGit = true) {
  const paths: string[] = [];
  const output = walkSource(input(sendGit), openIgnore, (frames) => {
    for (const { path, listing } of unframeListings(Buffer.from(frames))) {
      if (path === rootItself) continue;
      for (const { name } of new Listing(listing).texts()) paths.push(joinPath(path, name));
    }
  });
  return { ...output, paths: paths.sort() };
}

describe('a walk', () => {
  it('leaves out what is ignored, but goes where something is tracked', () => {
    touch('a', 'x', 'd/x', 'd/b', 'xd/other', 'xd/deep/tracked', 'xe/other');
    expect(walk()).toMatchObject({
      paths: ['a', 'd', 'd/b', 'xd', 'xd/deep', 'xd/deep/tracked'],
      files: 3,
      firstRule: rule,
      warnings: ['a warning'],
    });
  });

  it('judges nothing inside `.git`', () => {
    touch('.git/xyz', 'sub/.git/xyz', 'f');
    expect(walk().paths).toEqual(['.git', '.git/xyz', 'f', 'sub', 'sub/.git', 'sub/.git/xyz']);
    expect(walk(false).paths).toEqual(['f', 'sub']);
  });

  it('says how many names are sent and ignored, `.git` not counted', () => {
    touch('.git/HEAD', 'x1', 'x2');
    expect(walk()).toMatchObject({ files: 0, ignored: 2, firstRule: rule });
  });

  it('takes from another walk what git tracks', () => {
    touch('a', 'below/b', 'c');
    writeFileSync(join(root, '.gitignore'), '*\n');
    execFileSync('git', ['init', '-q'], { cwd: root });
    execFileSync('git', ['add', '-f', 'a', 'below/b'], { cwd: root });
    const walked = (tracked?: WalkTask['tracked']) => {
      const frames: Uint8Array[] = [];
      const task = { ...input(false), ...(tracked === undefined ? {} : { tracked }) };
      const { rules } = walkSource(task, openRules, (bytes) => frames.push(bytes));
      const listings = [...unframeListings(Buffer.concat(frames))].filter(({ path }) => path !== rootItself);
      const names = listings.flatMap(({ path, listing }) =>
        [...new Listing(listing).texts()].map(({ name }) => joinPath(path, name)),
      );
      return { rules, names: names.sort() };
    };
    const first = walked();
    expect(first.names).toEqual(['a', 'below', 'below/b']);
    rmSync(join(root, '.git', 'index'));
    expect(walked().names).toEqual([]);
    const again = walked(first.rules.tracked);
    expect(again.names).toEqual(first.names);
    // What it went by counts as read, so that a change of it is seen.
    expect([again.rules.tracked, again.rules.inputs]).toEqual([first.rules.tracked, first.rules.inputs]);
    // Of another repository, or in another form, it says nothing.
    const others = [...first.rules.tracked].map(([dir, { index, names }]) => [
      [dir, { index: { ...index, top: '/elsewhere' }, names }] as const,
      [dir, { index: { ...index, ignoreCase: !index.ignoreCase }, names }] as const,
    ]);
    for (const other of others.flat()) expect(walked(new Map([other])).names).toEqual([]);
  });

  it('stops when it is cancelled', () => {
    touch('a');
    const cancelledInput = input();
    cancelledInput.cancel[0] = 1;
    expect(() => walkSource(cancelledInput, openIgnore, () => undefined)).toThrow(
      expect.objectContaining({ code: 'cancelled' }),
    );
  });
});

describe('the standing of a path', () => {
  it('is absent, sent, ignored by a rule, or never sent', () => {
    touch('a', 'x', 'd/x/deep', 'xd/tracked', 'xd/other', '.git/xyz');
    symlinkSync('d', join(root, 'link'));
    const states = (paths: readonly string[], sendGit = true): string[] =>
      standings(input(sendGit), paths, openIgnore).map(({ state }) => state);
    expect(states(['a', 'gone', 'a/below', 'd', '.git/xyz'])).toEqual(['sent', 'absent', 'absent', 'sent', 'sent']);
    expect(states(['x', 'd/x/deep', 'xd/other', 'xd/tracked'])).toEqual(['ignored', 'ignored', 'ignored', 'sent']);
    expect(states(['link', 'link/x'])).toEqual(['sent', 'absent']);
    expect(states(['.git/xyz', '.git'], false)).toEqual(['unsent', 'unsent']);
    expect(standings(input(), ['x'], openIgnore)[0]?.rule).toEqual(rule);
  });
});
