import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../protocol/chunk/digest.ts';
import { chunkRecord, type Entry } from '../../../protocol/chunk/entry.ts';
import { type Directory, type Manifest, manifestDigest } from '../../../protocol/chunk/manifest.ts';
import { encodeManifest } from '../../../protocol/chunk/manifest-codec.ts';
import { applyDelta, decodeDelta, deltaBetween, encodeDelta } from '../../../protocol/chunk/manifest-delta.ts';
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

function travel(base: Manifest, next: Manifest): Manifest {
  const delta = deltaBetween(base, next);
  if (delta === undefined) throw new Error('no delta');
  const bytes = encodeDelta(delta, [...encodeManifest(delta.part)], []);
  return applyDelta(base, decodeDelta(bytes, limits), limits);
}

const name = fc.constantFrom('a', 'b', 'c');
const tree = fc
  .dictionary(
    fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `${parts.join('/')}.x`),
    fc.string(),
  )
  .map(manifestOf);

describe('a delta', () => {
  it('leads from any tree to any other', () => {
    fc.assert(
      fc.property(tree, tree, (base, next) => {
        expect(manifestDigest(travel(base, next))).toBe(manifestDigest(next));
      }),
    );
  });

  it('of one file holds its directory alone', () => {
    const delta = deltaBetween(manifestOf({ 'a/b': '1', 'c/d': '2' }), manifestOf({ 'a/b': '1', 'c/d': '3' }));
    expect([...(delta?.part.directories.keys() ?? [])]).toEqual(['c']);
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
    ['drops what is not there', { part: part([]), dropped: ['zz'] }],
    ['drops a directory that has its entry', { part: part([]), dropped: ['a'] }],
    ['adds a directory without an entry', { part: part([{ path: 'new', entries: [] }]), dropped: [] }],
    ['adds an entry without a directory', { part: part([{ path: 'a', entries: [dir('q')] }]), dropped: [] }],
    ['leaves a directory behind', { part: part([{ path: '', entries: [dir('a')] }]), dropped: [] }],
    [
      'has a hard link',
      {
        part: part([{ path: 'a', entries: [{ ...common, kind: 'hardlink' as const, name: 'h', content: 'a/x' }] }]),
        dropped: [],
      },
    ],
    ['drops the root', { part: part([]), dropped: [''] }],
  ])('is refused when it %s', (_, delta) => {
    expect(() => applyDelta(base, delta, limits)).toThrow(expect.objectContaining({ code: 'bad-message' }));
  });

  it('that is damaged is refused, or another sound one', () => {
    const delta = deltaBetween(base, manifestOf({ 'a/x': '9', 'c/z': '3' }));
    if (delta === undefined) throw new Error('no delta');
    const good = encodeDelta(delta, [...encodeManifest(delta.part)], []);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bad = Buffer.from(cut ? good.subarray(0, at) : good);
        if (!cut) bad[at] = byte;
        try {
          manifestDigest(applyDelta(base, decodeDelta(bad, limits), limits));
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^(bad-message|limit-exceeded)$/) });
        }
      }),
      { numRuns: 500 },
    );
  });
});
