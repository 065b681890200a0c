import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
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
  Object.fromEntries(paths.map((path) => [`w/${path}`, '']));

/** What is sent of `w`, but for ignore files. */
const sent = (root = 'w'): string[] => bench.sent(root).filter((path) => !/\.\w+ignore$/.test(path));

describe('one .gitignore', () => {
  it.each<[feature: string, lines: string, paths: readonly string[], left: readonly string[]]>([
    ['a name at any depth', 'a', ['a', 'd/a', 'b'], ['b', 'd/']],
    ['an end', '*.o', ['x.o', 'd/y.o', 'o'], ['d/', 'o']],
    ['an anchor', '/a', ['a', 'd/a'], ['d/', 'd/a']],
    ['an anchor in the middle', 'd/a', ['a', 'd/a', 'e/d/a'], ['a', 'd/', 'e/', 'e/d/', 'e/d/a']],
    ['directories only', 'a/', ['d/a', 'a/b'], ['d/', 'd/a']],
    ['negation', '*.o\n!keep.o', ['x.o', 'keep.o'], ['keep.o']],
    ['the last match', '!a\na', ['a'], []],
    ['nothing comes back below', 'd\n!d/a', ['d/a'], []],
    ['but out of what is only emptied', 'd/*\n!d/a', ['d/a', 'd/b'], ['d/', 'd/a']],
    ['stars at the start', '**/x/y', ['x/y', 'd/x/y', 'y'], ['d/', 'd/x/', 'x/', 'y']],
    ['stars at the end', 'd/**', ['d/a', 'd/e/b'], ['d/']],
    ['stars between', 'a/**/z', ['a/z', 'a/b/c/z', 'z'], ['a/', 'a/b/', 'a/b/c/', 'z']],
    ['a class', '[a-c].[!o]', ['a.c', 'a.o', 'd.c'], ['a.o', 'd.c']],
    ['a named class', '[[:digit:]]*', ['1', '2x', 'x2'], ['x2']],
    ['an escape', '\\#a\n\\!b\n\\*', ['#a', '!b', '*', 'c'], ['c']],
    ['a comment', '#a', ['#a'], ['#a']],
    ['blanks at the end', 'a  \nb\\ ', ['a', 'b', 'b '], ['b']],
    ['a tab at the end', 'a\t', ['a', 'a\t'], ['a']],
    ['lines that end in CR LF', 'a\r\nb\r\n', ['a', 'b', 'c'], ['c']],
    ['a byte order mark', '\xef\xbb\xbfa\nb', ['a', 'b', 'c'], ['c']],
    ['no line end at the end', 'a\nb', ['a', 'b', 'c'], ['c']],
  ])('%s', (_feature, lines, paths, left) => {
    bench.write({ ...files(...paths), 'w/.gitignore': lines });
    expect(sent()).toEqual(left);
    bench.git('w', 'init', '-q');
    expect(sent()).toEqual(left);
  });

  it('sends directories that are empty, or have nothing left in them', () => {
    bench.write({ 'w/empty/': '', 'w/d/a': '', 'w/.gitignore': 'a' });
    expect(sent()).toEqual(['d/', 'empty/']);
  });

  it('is compared byte by byte', () => {
    bench.write({ 'w/é': '', 'w/ü': '', 'w/.gitignore': '\xc3?\n!\xc3\xa9' });
    expect(sent()).toEqual([bytesOf('é')]);
  });

  it('is not followed if it is a symlink, with a warning', () => {
    bench.write({ ...files('a'), rules: 'a' });
    symlinkSync('../rules', join(bench.top, 'w/.gitignore'));
    const opened = bench.open('w');
    expect(bench.sent('w', opened)).toContain('a');
    expect(opened.warnings()).toEqual([expect.stringContaining('symlink')]);
  });

  it('is nothing if it is a directory or a FIFO', () => {
    bench.write({ ...files('a', 'd/a'), 'w/.gitignore/a': '' });
    execFileSync('mkfifo', [join(bench.top, 'w/d/.gitignore')]);
    expect(sent()).toContain('a');
  });

  it('loses lines that are too long, and is nothing if it is too large, with warnings', () => {
    bench.write({
      ...files('a', 'b', 'd/b'),
      'w/.gitignore': `${'x'.repeat(5000)}\na`,
      'w/d/.gitignore': 'b\n'.repeat(5 << 20),
    });
    const opened = bench.open('w');
    expect(bench.sent('w', opened)).toEqual(['.gitignore', 'b', 'd/', 'd/.gitignore', 'd/b']);
    expect(opened.warnings()).toHaveLength(2);
  });
});

describe('rules in several places', () => {
  it('of nested files: the deepest counts first', () => {
    bench.write({
      ...files('a', 'd/a', 'd/e/a', 'd/b'),
      'w/.gitignore': 'a',
      'w/d/.gitignore': '!a\n/b',
      'w/d/e/.gitignore': 'a',
    });
    expect(sent()).toEqual(['d/', 'd/a', 'd/e/']);
    expect(bench.rule('w', 'd/e/a')).toBe('w/d/e/.gitignore:1');
    expect(bench.rule('w', 'd/a')).toBe('w/d/.gitignore:1');
  });

  it('of info/exclude and the excludes file, in this order, after those of the tree', () => {
    bench.write(files('a', 'b', 'c', 'd'));
    bench.git('w', 'init', '-q');
    bench.write({ 'home/.config/git/ignore': 'a\nb\nc', 'w/.git/info/exclude': '!b\nd', 'w/.gitignore': '!c' });
    expect(sent()).toEqual(['b', 'c']);
    expect(bench.rule('w', 'a')).toBe('home/.config/git/ignore:1');
    expect(bench.rule('w', 'd')).toBe('w/.git/info/exclude:2');
  });

  it('of the excludes file, outside any repository too', () => {
    bench.write({ ...files('a', 'b'), 'home/.config/git/ignore': '/a' });
    expect(sent()).toEqual(['b']);
  });

  it.each([
    ['home/.gitconfig', '[core]\nexcludesFile = ~/x'],
    ['home/.config/git/config', '[core]\nexcludesFile = ~/x'],
    ['etc/gitconfig', '[core]\nexcludesFile = ~/x'],
    ['w/.git/config.worktree', '[core]\nexcludesFile = ~/x'],
    ['home/.gitconfig', '[include]\npath = .more'],
    ['home/.gitconfig', '[includeIf "gitdir:/**/w/"]\npath = .more'],
    ['home/.gitconfig', '[includeIf "gitdir/i:W/.GIT"]\npath = ~/.more'],
    ['home/.gitconfig', '[includeIf "onbranch:feature/"]\npath = ~/.more'],
    ['home/.gitconfig', '[include]\npath = ../near'],
  ])('of the excludes file that %s names by %j', (file, setting) => {
    bench.write(files('a', 'b'));
    bench.git('w', 'init', '-q', '-b', 'feature/one');
    bench.git('w', 'config', 'extensions.worktreeConfig', 'true');
    bench.write({
      'home/x': 'a',
      'home/.more': '[core]\nexcludesFile = ~/x',
      near: '[includeIf "gitdir:./w/"]\npath = home/.more',
      [file]: setting,
    });
    bench.git('w', 'config', 'extensions.worktreeConfig', 'true');
    expect(sent()).toEqual(['b']);
  });

  it('names what it cannot make sense of in a configuration', () => {
    bench.write({
      ...files('a'),
      'home/.gitconfig': '[core]\n= x\n',
      'home/.config/git/config': '[includeIf "moon:full"]\npath = x',
    });
    expect(bench.open('w').warnings()).toEqual([
      expect.stringContaining('moon:full'),
      expect.stringContaining('line 2'),
    ]);
  });

  it('without regard to case if core.ignoreCase says so', () => {
    bench.write({ ...files('README', 'Doc/a', 'é'), 'w/.gitignore': 'readme\ndoc/A' });
    bench.git('w', 'init', '-q');
    bench.git('w', 'config', 'core.ignoreCase', 'true');
    expect(sent()).toEqual(['Doc/', bytesOf('é')]);
  });
});

describe('a root inside a repository', () => {
  it('has the rules of the directories above it', () => {
    bench.write({
      ...files('p/r/a', 'p/r/b', 'p/r/c', 'p/r/d'),
      'w/.gitignore': 'a\n/b\n/p/r/c',
      'w/p/.gitignore': 'r/d',
    });
    bench.git('w', 'init', '-q');
    expect(sent('w/p/r')).toEqual(['b']);
  });

  it('is not ignored itself, nor by what ignores a directory above', () => {
    bench.write({ ...files('build/out/a', 'build/out/x.o'), 'w/.gitignore': 'build/\nout\n*.o' });
    bench.git('w', 'init', '-q');
    expect(sent('w')).toEqual([]);
    expect(sent('w/build/out')).toEqual(['a']);
    expect(sent('w/build')).toEqual([]);
    expect(bench.rule('w/build', 'out')).toBe('w/.gitignore:2');
  });

  it('has what the repository tracks', () => {
    bench.write({ ...files('p/a', 'p/b'), 'w/.gitignore': '*' });
    bench.git('w', 'init', '-q');
    bench.git('w', 'add', '-f', 'p/a');
    expect(sent('w/p')).toEqual(['a']);
  });

  it('has no rules from a bare repository that it lies in', () => {
    bench.write({ ...files('hooks/a'), 'home/x': '' });
    bench.git('w', 'init', '-q', '--bare', '.');
    bench.write({ 'w/info/exclude': 'a', 'w/.gitignore': 'a' });
    expect(sent('w/hooks').filter((path) => !path.endsWith('.sample'))).toEqual(['a']);
  });
});

describe('what git tracks', () => {
  it.each([
    ['version 2', ['update-index', '--index-version', '2']],
    ['version 3', ['update-index', '--skip-worktree', 'd/e/x.o']],
    ['version 4', ['update-index', '--index-version', '4']],
    ['a split index', ['update-index', '--split-index']],
  ])('is sent though a rule ignores it: %s', (_name, change) => {
    bench.write({ ...files('x.o', 'd/e/x.o', 'd/e/y', 'd/e/f/y', 'y.o'), 'w/.gitignore': '*.o\nd/' });
    bench.git('w', 'init', '-q');
    bench.git('w', 'add', '-f', 'x.o', 'd/e/x.o');
    bench.git('w', ...change);
    expect(sent()).toEqual(['d/', 'd/e/', 'd/e/x.o', 'x.o']);
    const { scope } = bench.open('w');
    expect(scope.judge('d', true)).toMatchObject({ send: false, walk: true, tracked: true });
    expect(scope.judge('x.o', false)).toMatchObject({ send: true, tracked: true, verdict: { ignored: true } });
    expect(scope.judge('y.o', false)).toMatchObject({ send: false, tracked: false, verdict: { ignored: true } });
  });

  it('is known in a SHA-256 repository', () => {
    bench.write({ ...files('x.o', 'y.o'), 'w/.gitignore': '*.o' });
    bench.git('w', 'init', '-q', '--object-format=sha256');
    bench.git('w', 'add', '-f', 'x.o');
    expect(sent()).toEqual(['x.o']);
  });

  it('is a path, not what lies at the same name', () => {
    bench.write({ ...files('a', 'b/x'), 'w/.gitignore': 'a\nb' });
    bench.git('w', 'init', '-q');
    const blob = '1'.repeat(40);
    bench.git('w', 'update-index', '--add', '--cacheinfo', `100644,${blob},a/x`, '--cacheinfo', `100644,${blob},b`);
    expect(sent()).toEqual([]);
  });

  it.each([
    ['damaged', `DIRC${'\0'.repeat(3)}\x02${'\0'.repeat(3)}\x01damaged`],
    ['of a version to come', `DIRC${'\0'.repeat(3)}\x09${'\0'.repeat(40)}`],
  ])('is unknown, with a warning, when the index is %s', (_name, index) => {
    bench.write({ ...files('x.o', 'y'), 'w/.gitignore': '*.o' });
    bench.git('w', 'init', '-q');
    bench.write({ 'w/.git/index': index });
    const opened = bench.open('w');
    expect(bench.sent('w', opened)).toEqual(['.gitignore', 'y']);
    expect(opened.warnings()).toEqual([expect.stringContaining('.git/index')]);
  });
});
