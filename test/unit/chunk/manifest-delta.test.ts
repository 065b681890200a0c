import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDelta, encodeDelta } from '../../../protocol/chunk/delta-codec.ts';
import { digestOf } from '../../../protocol/chunk/digest.ts';
import { chunkRecord, type Entry } from '../../../protocol/chunk/entry.ts';
import { type Directory, type Manifest, manifestDigest } from '../../../protocol/chunk/manifest.ts';
import { encodeManifest } from '../../../protocol/chunk/manifest-codec.ts';
import { applyDelta, deltaBetween } from '../../../protocol/chunk/manifest-delta.ts';
import { limits } from '../../../protocol/wire/limits.ts';

const common = { mode: 0o755, mtimeSec: 1, mtimeNsec: 2, size: 0, content: '' };
const dir = (name: string, mtimeSec = 1): Entry => ({ ...common, kind: 'dir', name, mtimeSec });
const file = (name: string, text: string): Entry => ({
  ...common,
  kind: 'file',
  name,
  size: text.length,
  content: text === '' ? '' : chunkRecord(digestOf(text), text.length),
});

/** A manifest of files by path. */
function manifestOf(files: Readonly<Record<string, string>>): Manifest {
  const entries = new Map<string, Map<string, Entry>>([['', new Map()]]);
  for (const [path, text] of Object.entries(files)) {
    const parts = path.split('/');
    for (let depth = 0; depth < parts.length; depth += 1) {
      const [above, name] = [parts.slice(0, depth).join('/'), parts[depth] ?? ''];
      const last = depth === parts.length - 1;
      if (!last && !entries.has(parts.slice(0, depth + 1).join('/')))
        entries.set(parts.slice(0, depth + 1).join('/'), new Map());
      entries.get(above)?.set(name, last ? file(name, text) : dir(name));
    }
  }
  const directories = new Map<string, Directory>();
  for (const [path, names] of entries)
    directories.set(path, { path, entries: [...names.values()].sort((a, b) => (a.name < b.name ? -1 : 1)) });
  return { root: dir(''), directories };
}

async function travel(base: Manifest, next: Manifest): Promise<Manifest> {
  const delta = deltaBetween(base, next);
  if (delta === undefined) throw new Error('no delta');
  const bytes = await encodeDelta(base, delta, [...encodeManifest(delta.part)], []);
  if (bytes === undefined) throw new Error('too long');
  return applyDelta(base, decodeDelta(base, bytes, limits), limits).manifest;
}

const name = fc.constantFrom('a', 'b', 'c');
const tree = fc
  .dictionary(
    fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `${parts.join('/')}.x`),
    fc.string(),
  )
  .map(manifestOf);

describe('a delta', () => {
  it('leads from any tree to any other', async () => {
    await fc.assert(
      fc.asyncProperty(tree, tree, async (base, next) => {
        expect(manifestDigest(await travel(base, next))).toBe(manifestDigest(next));
      }),
    );
  });

  it('of one file holds its entry alone, and names its directory as changed', () => {
    const before = manifestOf({ 'a/b': '1', 'c/d': '2', 'c/e': '2' });
    const delta = deltaBetween(before, manifestOf({ 'a/b': '1', 'c/d': '3', 'c/e': '2' }));
    if (delta === undefined) throw new Error('no delta');
    expect([...delta.part.directories.values()]).toEqual([{ path: 'c', entries: [file('d', '3')] }]);
    expect(applyDelta(before, delta, limits).changed).toEqual(new Set(['c']));
  });

  it('names a directory that was renamed, with all below it, and nothing of what is in it', async () => {
    const before = manifestOf({ 'a/b/c': '1', 'a/d': '2', 'keep/x': '3', 'p/q/r': '4' });
    const next = manifestOf({ 'keep/new/b/c': '1', 'keep/new/d': '2', 'keep/x': '3', 'z/r': '4' });
    const delta = deltaBetween(before, next);
    if (delta === undefined) throw new Error('no delta');
    expect(delta.renamed).toEqual([
      { from: 'a', to: 'keep/new' },
      { from: 'p/q', to: 'z' },
    ]);
    expect([...delta.part.directories.keys()].sort()).toEqual(['', 'keep']);
    expect(applyDelta(before, delta, limits).changed).toEqual(
      new Set(['', 'a', 'a/b', 'p', 'p/q', 'keep', 'keep/new', 'keep/new/b', 'z']),
    );
    expect(manifestDigest(await travel(before, next))).toBe(manifestDigest(next));
  });

  it('looks past names that sort between a directory and what is below it', async () => {
    const before = manifestOf({ 'pkg/f': '1', 'pkg/e/x': '0', 'pkg-test/g': '2', 'tmp/x': '0' });
    const next = manifestOf({ 'lib/f': '1', 'lib/e/x': '0', 'lib-test/g': '2' });
    expect(deltaBetween(before, next)?.renamed).toEqual([
      { from: 'pkg', to: 'lib' },
      { from: 'pkg-test', to: 'lib-test' },
    ]);
    expect(manifestDigest(await travel(before, next))).toBe(manifestDigest(next));
  });

  it('does not take for renamed what is other below, or stays, or is wanted twice', async () => {
    const before = manifestOf({ 'a/b/c': '1', 'stays/x': '3' });
    for (const next of [
      manifestOf({ 'n/b/c': '2', 'stays/x': '3' }),
      manifestOf({ 'n/b/c': '1', 'n/b/d': '1', 'stays/x': '3' }),
      manifestOf({ 'n/x': '3', 'stays/x': '3' }),
    ]) {
      expect(deltaBetween(before, next)?.renamed.filter(({ to }) => to === 'n')).toEqual([]);
      expect(manifestDigest(await travel(before, next))).toBe(manifestDigest(next));
    }
    const twice = manifestOf({ 'm/b/c': '1', 'n/b/c': '1' });
    expect(deltaBetween(before, twice)?.renamed).toEqual([{ from: 'a', to: 'm' }]);
    expect(manifestDigest(await travel(before, twice))).toBe(manifestDigest(twice));
  });

  it('shares the directories that did not change', async () => {
    const before = manifestOf({ 'a/b': '1', 'c/d': '2' });
    const after = await travel(before, manifestOf({ 'a/b': '1', 'c/d': '3' }));
    expect(after.directories.get('a')).toBe(before.directories.get('a'));
  });

  it('removes a directory with what is below it, and names all of them as changed', () => {
    const before = manifestOf({ 'a/b/c/d': '1', e: '2' });
    const delta = deltaBetween(before, manifestOf({ e: '2' }));
    if (delta === undefined) throw new Error('no delta');
    expect(delta.removed).toEqual(['a']);
    expect(applyDelta(before, delta, limits).changed).toEqual(new Set(['', 'a', 'a/b', 'a/b/c']));
  });

  it('makes a file of a directory, and a directory of a file', async () => {
    const [one, other] = [manifestOf({ 'a/b': '1', c: '2' }), manifestOf({ a: '1', 'c/d': '2' })];
    expect(manifestDigest(await travel(one, other))).toBe(manifestDigest(other));
    expect(manifestDigest(await travel(other, one))).toBe(manifestDigest(one));
  });

  it('is not made where entries hang on other places', () => {
    const plain = manifestOf({ a: '1' });
    const linked: Manifest = {
      root: plain.root,
      directories: new Map([['', { path: '', entries: [{ ...common, kind: 'hardlink', name: 'b', content: 'a' }] }]]),
    };
    expect(deltaBetween(plain, linked)).toBeUndefined();
    expect(deltaBetween(linked, plain)).toBeUndefined();
  });

  const base = manifestOf({ 'a/x': '1', 'b/y': '2' });
  const part = (directories: readonly Directory[]): Manifest => ({
    root: base.root,
    directories: new Map(directories.map((one) => [one.path, one])),
  });
  it.each([
    ['removes what is not there', { part: part([]), removed: ['zz'] }],
    ['removes below what is not there', { part: part([]), removed: ['zz/x'] }],
    ['removes the root', { part: part([]), removed: [''] }],
    ['removes a directory and what was in it', { part: part([]), removed: ['a', 'a/x'] }],
    ['fills a directory that it removes', { part: part([{ path: 'a', entries: [] }]), removed: ['a'] }],
    ['adds a directory without an entry', { part: part([{ path: 'new', entries: [] }]), removed: [] }],
    ['adds an entry without a directory', { part: part([{ path: 'a', entries: [dir('q')] }]), removed: [] }],
    ['leaves a directory behind', { part: part([{ path: '', entries: [file('a', '1')] }]), removed: [] }],
    [
      'has a hard link',
      {
        part: part([{ path: 'a', entries: [{ ...common, kind: 'hardlink' as const, name: 'h', content: 'a/x' }] }]),
        removed: [],
      },
    ],
    ['renames what is not there', { part: part([]), removed: [], renamed: [{ from: 'zz', to: 'new' }] }],
    ['renames the root', { part: part([]), removed: [], renamed: [{ from: '', to: 'new' }] }],
    ['renames to where something is', { part: part([]), removed: [], renamed: [{ from: 'a', to: 'b' }] }],
    [
      'changes what it renames',
      {
        part: part([
          { path: '', entries: [dir('b'), dir('new')] },
          { path: 'new', entries: [file('x', '9')] },
        ]),
        removed: ['a'],
        renamed: [{ from: 'a', to: 'new' }],
      },
    ],
    [
      'renames twice',
      {
        part: part([{ path: '', entries: [dir('m'), dir('n')] }]),
        removed: ['a'],
        renamed: [
          { from: 'a', to: 'm' },
          { from: 'a', to: 'n' },
        ],
      },
    ],
    ['renames to where no entry is', { part: part([]), removed: [], renamed: [{ from: 'a', to: 'new' }] }],
    ['makes the root a file', { part: { root: file('', ''), directories: new Map() }, removed: [] }],
  ])('is refused when it %s', (_, delta) => {
    expect(() => applyDelta(base, { renamed: [], ...delta }, limits)).toThrow(
      expect.objectContaining({ code: 'bad-message' }),
    );
  });

  it('that is damaged is refused, or another sound one', async () => {
    const delta = deltaBetween(base, manifestOf({ 'a/x': '9', 'c/z': '3', 'moved/y': '2' }));
    if (delta === undefined) throw new Error('no delta');
    const good = (await encodeDelta(base, delta, [...encodeManifest(delta.part)], [])) ?? Buffer.alloc(0);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bad = Buffer.from(cut ? good.subarray(0, at) : good);
        if (!cut) bad[at] = byte;
        try {
          manifestDigest(applyDelta(base, decodeDelta(base, bad, limits), limits).manifest);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^(bad-message|limit-exceeded)$/) });
        }
      }),
      { numRuns: 500 },
    );
  });
});
