import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesOf } from '../../../../../protocol/base/root-path.ts';
import { IgnoreBench } from '../../../../helpers/ignore-bench.ts';

let bench: IgnoreBench;
beforeEach(() => {
  bench = new IgnoreBench();
});
afterEach(() => bench[Symbol.dispose]());

const files = (...paths: readonly string[]): Record<string, string> =>
  Object.fromEntries(paths.map((path) => [path, '']));
const sent = (root: string): string[] => bench.sent(root).filter((path) => !/\.\w+ignore$/.test(path));
const gitlink = (path: string): readonly string[] => [
  'update-index',
  '--add',
  '--cacheinfo',
  `160000,${'1'.repeat(40)},${path}`,
];

describe('a nested repository', () => {
  it('is judged by its own rules alone, and those of the user', () => {
    bench.write({
      ...files('w/a', 'w/n/a', 'w/n/b', 'w/n/c', 'w/n/d'),
      'w/.gitignore': 'a\nn/c',
      'w/n/.gitignore': '/b',
      'home/.config/git/ignore': 'd',
    });
    for (const directory of ['w', 'w/n']) bench.git(directory, 'init', '-q');
    expect(sent('w')).toEqual(['n/', 'n/a', 'n/c']);
  });

  it('has its own info/exclude and index', () => {
    bench.write(files('w/n/a.o', 'w/n/b.o', 'w/n/c'));
    for (const directory of ['w', 'w/n']) bench.git(directory, 'init', '-q');
    bench.write({ 'w/n/.git/info/exclude': '*.o', 'w/.git/info/exclude': 'c' });
    bench.git('w/n', 'add', '-f', 'a.o');
    expect(sent('w')).toEqual(['n/', 'n/a.o', 'n/c']);
  });

  it('is not sent when the outer one ignores it, unless it is a submodule', () => {
    bench.write({ ...files('w/n/a', 'w/n/b', 'w/m/a'), 'w/.gitignore': 'n\nm', 'w/n/.gitignore': 'b' });
    for (const directory of ['w', 'w/n', 'w/m']) bench.git(directory, 'init', '-q');
    expect(sent('w')).toEqual([]);
    bench.git('w', ...gitlink('n'));
    expect(sent('w')).toEqual(['n/', 'n/a']);
  });

  it('is a directory like others when its `.git` is none', () => {
    bench.write({ ...files('w/n/a', 'w/m/a', 'w/n/.git/x'), 'w/.gitignore': 'a', 'w/m/.git': 'gitdir: ../nowhere' });
    bench.git('w', 'init', '-q');
    const opened = bench.open('w');
    expect(bench.sent('w', opened)).toEqual(['.gitignore', 'm/', 'n/']);
    expect(opened.warnings()).toEqual([expect.stringContaining('m/.git')]);
  });

  it('may be a submodule that is not there: its directory is sent, with what the outer rules leave', () => {
    bench.write({ ...files('w/n/a', 'w/n/b'), 'w/.gitignore': 'a' });
    bench.git('w', 'init', '-q');
    bench.git('w', ...gitlink('n'));
    expect(sent('w')).toEqual(['n/', 'n/b']);
  });
});

describe('a `.git` file', () => {
  it('of a submodule leads to its rules and index, also when the submodule is the root', () => {
    bench.write(files('w/n/a.o', 'w/n/b.o', 'w/n/c'));
    bench.git('w', 'init', '-q');
    bench.write({ 'w/.git/modules/': '' });
    bench.git('w/n', 'init', '-q', '--separate-git-dir=../.git/modules/n');
    bench.write({
      'w/n/.git': 'gitdir: ../.git/modules/n\n',
      'w/.git/modules/n/info/exclude': '*.o',
      'w/.git/info/exclude': 'c',
    });
    bench.git('w/n', 'add', '-f', 'a.o');
    expect(sent('w')).toEqual(['n/', 'n/a.o', 'n/c']);
    expect(sent('w/n')).toEqual(['a.o', 'c']);
  });

  it('of a worktree leads to the rules of its repository and its own index', () => {
    bench.write({ 'main/a.o': '', 'main/.git/': '' });
    bench.git('main', 'init', '-q');
    bench.git('main', 'add', 'a.o');
    bench.git('main', '-c', 'user.name=n', '-c', 'user.email=e', 'commit', '-qm', 'one');
    bench.git('main', 'worktree', 'add', '-q', '../tree');
    bench.write({ ...files('tree/b.o', 'tree/c', 'main/b.o'), 'main/.git/info/exclude': '*.o' });
    expect(sent('tree')).toEqual(['a.o', 'c']);
    bench.git('tree', 'rm', '-q', '--cached', 'a.o');
    expect(sent('tree')).toEqual(['c']);
    expect(sent('main')).toEqual(['a.o']);
  });
});

describe.each(['.towignore', '.skyignore'])('a %s at the root', (name) => {
  it('replaces all rules of git, and has nested ones of its name', () => {
    bench.write({
      ...files('w/a', 'w/b', 'w/c', 'w/d/a', 'w/d/e', 'w/n/b', 'w/n/f'),
      'home/.config/git/ignore': 'c',
      'w/.gitignore': 'b',
      [`w/${name}`]: 'a\n/n/f',
      [`w/d/${name}`]: 'e\n!a',
    });
    for (const directory of ['w', 'w/n']) bench.git(directory, 'init', '-q');
    bench.git('w', 'add', '-f', 'a');
    expect(sent('w')).toEqual(['b', 'c', 'd/', 'd/a', 'n/', 'n/b']);
    expect(bench.rule('w', 'a')).toBe(`w/${name}:1`);
  });

  it('counts if it is a symlink to a file', () => {
    bench.write({ ...files('w/a', 'w/b'), rules: 'a' });
    symlinkSync('../rules', join(bench.top, 'w', name));
    expect(sent('w')).toEqual(['b']);
  });

  it('does not count below the root, nor as a directory', () => {
    bench.write({ ...files('w/a', 'w/d/a'), [`w/d/${name}`]: 'a', [`w/${name}/x`]: '' });
    expect(sent('w')).toContain('d/a');
  });
});

it('takes .towignore before .skyignore', () => {
  bench.write({ ...files('w/a', 'w/b'), 'w/.towignore': 'a', 'w/.skyignore': 'b' });
  expect(sent('w')).toEqual(['b']);
});

it('sends `.git`, whatever the rules say', () => {
  bench.write({ 'w/.gitignore': '.*\n.git/\n*', 'w/.towignore/': '' });
  expect(bench.open('w').scope.judge('.git', true)).toMatchObject({ send: true, walk: true });
});

it('names every file that decided, there or not', () => {
  bench.write(files('w/p/r/a', 'w/p/r/d/.gitignore'));
  bench.git('w', 'init', '-q');
  bench.write({ 'w/.gitignore': 'x', 'w/p/r/x': '' });
  const opened = bench.open('w/p/r');
  bench.sent('w/p/r', opened);
  const inputs = opened.state().inputs.map((path) => path.replace(`${bytesOf(bench.top)}/`, ''));
  for (const path of ['w/.gitignore', 'w/p/.gitignore', 'w/p/r/.gitignore', 'w/p/r/d/.gitignore', 'w/p/r/.towignore'])
    expect(inputs).toContain(path);
  for (const path of ['w/.git', 'w/p/.git', 'w/.git/HEAD', 'w/.git/config', 'w/.git/index', 'w/.git/info/exclude'])
    expect(inputs).toContain(path);
  for (const path of ['home/.gitconfig', 'home/.config/git/config', 'home/.config/git/ignore', 'etc/gitconfig'])
    expect(inputs).toContain(path);
});

it('does not mind directories that vanish', () => {
  bench.write(files('w/d/.gitignore', 'w/n/a'));
  bench.git('w/n', 'init', '-q');
  const { scope } = bench.open('w');
  rmSync(join(bench.top, 'w'), { recursive: true });
  mkdirSync(join(bench.top, 'w'));
  for (const name of ['d', 'n'])
    expect(scope.enter(name, { ignoreFile: true, git: true }).judge('a', false).send).toBe(true);
});
