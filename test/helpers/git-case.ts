/** Trees with ignore rules of every kind that git knows, as values. Names and lines are latin1-held. */
import * as fc from 'fast-check';

export interface RuleFile {
  readonly lines: readonly string[];
  readonly ending: '\n' | '\r\n';
}

export interface TrackedEntry {
  /** Of the files in the tree, taken round; beyond them none is. */
  readonly pick: number;
  /** In place of a file of the tree: a path that need not be there. */
  readonly phantom: string | undefined;
}

interface NestedCase {
  /** Of the directories in the tree, taken round. */
  readonly pick: number;
  readonly kind: 'repository' | 'submodule' | 'worktree' | 'empty-git' | 'broken-file';
  readonly gitlink: boolean;
  readonly exclude: RuleFile | undefined;
  readonly tracked: readonly TrackedEntry[];
}

export interface GitCase {
  readonly items: readonly { readonly path: string; readonly kind: 'file' | 'dir' | 'symlink' }[];
  /** By directory: 0 is the top, others are taken round. */
  readonly ignoreFiles: readonly { readonly pick: number; readonly rules: RuleFile; readonly symlink: boolean }[];
  readonly exclude: RuleFile | undefined;
  readonly excludes: { readonly how: ExcludesHow; readonly rules: RuleFile } | undefined;
  readonly ignoreCase: boolean;
  readonly hash: 'sha1' | 'sha256';
  readonly indexVersion: 2 | 4;
  /** Each second tracked path is added, each fourth removed, in a split index upon the first. */
  readonly splitIndex: boolean;
  readonly tracked: readonly TrackedEntry[];
  readonly nested: NestedCase | undefined;
  /** Of the directories in the tree; undefined for the top. */
  readonly root: number | undefined;
}

export type ExcludesHow = 'default' | 'home' | 'xdg' | 'relative' | 'include' | 'includeIf' | 'notIncluded' | 'emptied';

const names = 'a,b,ab,a.o,b.c,A,B.O,a b,x*,[a],-,#a,!a,a ,\xe9,\xff\xfe,.h,foo,bar,a\\,\t,7,a\nb,],build'.split(',');
const name = fc.oneof({ arbitrary: fc.constantFrom('a', 'b', 'ab', 'foo'), weight: 2 }, fc.constantFrom(...names));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const piece = fc.oneof(
  { arbitrary: fc.constantFrom('a', 'b', 'ab', 'foo', 'bar', '.o', '/', '*', '**', '/**', '**/', '?'), weight: 6 },
  fc.constantFrom(...names),
  fc.constantFrom(
    '[ab]',
    '[!a]',
    '[^b]',
    '[a-c]',
    '[]a]',
    '[a-]',
    '[-a]',
    '[a\\]]',
    '[[:alpha:]]',
    '[[:upper:]]',
    '[A-C]',
  ),
  fc.constantFrom(
    '[[:space:]]',
    '[[:x]',
    '[[:nope:]]',
    '[z-a]',
    '[a',
    '[a-\\c]',
    '[\x80-\xff]',
    '[[:digit:]-z]',
    '[!-/]',
  ),
  fc.constantFrom('\\a', '\\*', '\\ ', '\\', '\\!', '\\#', '\\[', ' ', '  ', '\t', '#', '!', '\0', '\\/'),
);
const line = fc
  .record({
    start: fc.oneof(
      { arbitrary: fc.constant(''), weight: 5 },
      fc.constantFrom('!', '!', '!/', '/', '**/', '#', '\\', '\xef\xbb\xbf'),
    ),
    body: fc.oneof(
      name,
      path,
      fc.array(piece, { maxLength: 5 }).map((parts) => parts.join('')),
    ),
    end: fc.oneof(
      { arbitrary: fc.constant(''), weight: 5 },
      fc.constantFrom('/', ' ', '  ', '\\ ', '\t', '/*', '/**', '*', '/ '),
    ),
  })
  .map(({ start, body, end }) => `${start}${body}${end}`);
const rules: fc.Arbitrary<RuleFile> = fc.record({
  lines: fc.array(line, { minLength: 1, maxLength: 7 }),
  ending: fc.constantFrom('\n', '\n', '\n', '\r\n'),
});
const tracked = fc.array(
  fc.record({
    pick: fc.nat(60),
    phantom: fc.option(path, { nil: undefined, freq: 6 }),
  }),
  { maxLength: 8 },
);
const rarely = { nil: undefined, freq: 3 } as const;

export const gitCase: fc.Arbitrary<GitCase> = fc.record({
  items: fc.array(fc.record({ path, kind: fc.constantFrom('file', 'file', 'file', 'file', 'dir', 'symlink') }), {
    minLength: 1,
    maxLength: 20,
  }),
  ignoreFiles: fc.array(
    fc.record({ pick: fc.oneof(fc.constant(0), fc.nat(20)), rules, symlink: fc.nat(15).map((n) => n === 0) }),
    { maxLength: 4 },
  ),
  exclude: fc.option(rules, { nil: undefined, freq: 2 }),
  excludes: fc.option(
    fc.record({
      how: fc.constantFrom('default', 'home', 'xdg', 'relative', 'include', 'includeIf', 'notIncluded', 'emptied'),
      rules,
    }),
    { nil: undefined, freq: 2 },
  ),
  ignoreCase: fc.nat(7).map((n) => n === 0),
  hash: fc.constantFrom('sha1', 'sha1', 'sha1', 'sha256'),
  indexVersion: fc.constantFrom(2, 4),
  splitIndex: fc.nat(5).map((n) => n === 0),
  tracked: fc.oneof(fc.constant([]), tracked),
  nested: fc.option(
    fc.record({
      pick: fc.nat(20),
      kind: fc.constantFrom(
        'repository',
        'repository',
        'submodule',
        'submodule',
        'worktree',
        'empty-git',
        'broken-file',
      ),
      gitlink: fc.boolean(),
      exclude: fc.option(rules, rarely),
      tracked: fc.oneof(fc.constant([]), tracked),
    }),
    { nil: undefined, freq: 2 },
  ),
  root: fc.option(fc.nat(20), { nil: undefined, freq: 2 }),
});
