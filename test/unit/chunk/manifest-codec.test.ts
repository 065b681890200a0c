import { brotliCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { digestOf, holeDigest } from '../../../protocol/chunk/digest.ts';
import { chunkRecord, type Entry, maxChunkBytes, maxHoleBytes } from '../../../protocol/chunk/entry.ts';
import { type Directory, type Manifest, manifestDigest } from '../../../protocol/chunk/manifest.ts';
import { encodeBlock } from '../../../protocol/chunk/manifest-block.ts';
import { encodeManifest, ManifestDecoder } from '../../../protocol/chunk/manifest-codec.ts';
import { limits } from '../../../protocol/wire/limits.ts';

function entry(kind: Entry['kind'], name: string, content = '', size = 0): Entry {
  return { kind, name, mode: 0o644, mtimeSec: 1_700_000_000, mtimeNsec: 5, size, content };
}

const root = entry('dir', '');

function tree(directories: Readonly<Record<string, readonly Entry[]>>, top = root): Manifest {
  const map = new Map<string, Directory>();
  for (const [path, entries] of Object.entries(directories)) map.set(path, { path, entries });
  return { root: top, directories: map };
}

function roundTrip(manifest: Manifest, within: Parameters<typeof decode>[1] = limits): Manifest {
  return decode([...encodeManifest(manifest)], within);
}

function decode(blocks: readonly Buffer[], within: ConstructorParameters<typeof ManifestDecoder>[0]): Manifest {
  const decoder = new ManifestDecoder(within);
  for (const block of blocks) decoder.push(block);
  return decoder.finish();
}

describe('a manifest', () => {
  it('of a single file has no directories', () => {
    const file = entry('file', '', chunkRecord(digestOf('x'), 1), 1);
    expect(roundTrip(tree({}, file)).root).toEqual(file);
  });

  it('is cut into blocks that fit a frame, a long file too', () => {
    let content = '';
    for (let at = 0; at < 60_000; at += 1) content += chunkRecord(digestOf(`${at}`), 4096);
    const many = Array.from({ length: 9000 }, (_, at) => entry('file', `f${String(at).padStart(5, '0')}`));
    const manifest = tree({ '': [entry('file', 'a', content, 60_000 * 4096), ...many, entry('symlink', 'z', 'y')] });
    const blocks = [...encodeManifest(manifest)];
    expect(blocks.length).toBeGreaterThan(4);
    expect(Math.max(...blocks.map((block) => block.length))).toBeLessThanOrEqual(1 << 20);
    expect(manifestDigest(decode(blocks, limits))).toBe(manifestDigest(manifest));
  });

  it('keeps holes longer than one record', () => {
    const content = chunkRecord(holeDigest, maxHoleBytes) + chunkRecord(holeDigest, 5) + chunkRecord(digestOf('x'), 1);
    const manifest = tree({ '': [entry('file', 'sparse', content, maxHoleBytes + 6)] });
    expect(roundTrip(manifest)).toEqual(manifest);
  });

  const unsound: readonly (readonly [string, Manifest])[] = [
    ['a name with a slash', tree({ '': [entry('file', 'a/b')] })],
    ['a name that goes up', tree({ '': [entry('file', '..')] })],
    ['a name with a NUL', tree({ '': [entry('file', 'a\0')] })],
    ['no name', tree({ '': [entry('file', '')] })],
    ['a name twice', tree({ '': [entry('file', 'a'), entry('file', 'a')] })],
    ['names out of order', tree({ '': [entry('file', 'b'), entry('file', 'a')] })],
    ['a directory without entries', tree({ '': [entry('dir', 'a')] })],
    ['entries without a directory', tree({ '': [], a: [] })],
    ['entries below a file', tree({ '': [entry('file', 'a')], a: [] })],
    ['entries without a parent', tree({ '': [], 'a/b': [] })],
    ['entries outside', tree({ '': [], '../a': [] })],
    ['a root that is a hard link', tree({ '': [] }, entry('hardlink', '', 'a'))],
    ['entries below a root that is a file', tree({ '': [] }, entry('file', ''))],
    ['a hard link to nothing', tree({ '': [entry('hardlink', 'b', 'a')] })],
    ['a hard link to a symlink', tree({ '': [entry('symlink', 'a', 'x'), entry('hardlink', 'b', 'a')] })],
    ['a hard link to a later file', tree({ '': [entry('hardlink', 'a', 'b'), entry('file', 'b')] })],
    ['a hard link outside', tree({ '': [entry('hardlink', 'a', '../../etc/passwd')] })],
    ['a symlink with a NUL', tree({ '': [entry('symlink', 'a', 'b\0')] })],
    ['a symlink to no text', tree({ '': [entry('symlink', 'a', '')] })],
    ['a symlink that is too long', tree({ '': [entry('symlink', 'a', 'x'.repeat(4096))] })],
    ['a chunk that is too long', tree({ '': [entry('file', 'a', chunkRecord(digestOf('x'), maxChunkBytes + 1))] })],
    ['an empty chunk', tree({ '': [entry('file', 'a', chunkRecord(digestOf('x'), 0))] })],
    ['holes side by side', tree({ '': [entry('file', 'a', chunkRecord(holeDigest, 1) + chunkRecord(holeDigest, 1))] })],
    ['an impossible mode', tree({ '': [{ ...entry('file', 'a'), mode: 0o10000 }] })],
    ['an impossible time', tree({ '': [{ ...entry('file', 'a'), mtimeNsec: 1e9 }] })],
  ];

  it.each(unsound)('with %s is refused', (_, manifest) => {
    expect(() => roundTrip(manifest)).toThrow(expect.objectContaining({ code: 'bad-message' }));
  });

  it('that is cut off is refused', () => {
    expect(() => decode([], limits)).toThrow(expect.objectContaining({ code: 'bad-message' }));
    const open = { path: '', entries: [entry('file', 'a', chunkRecord(digestOf('x'), 1), 1)], continues: true };
    const blocks = [encodeBlock([{ path: undefined, entries: [root], continues: false }, open])];
    expect(() => decode(blocks, limits)).toThrow(expect.objectContaining({ code: 'bad-message' }));
  });

  it('that continues another file than it began is refused', () => {
    const part = (name: string, continues: boolean): Buffer =>
      encodeBlock([{ path: '', entries: [entry('file', name, chunkRecord(digestOf('x'), 1), 1)], continues }]);
    const first = encodeBlock([{ path: undefined, entries: [root], continues: false }]);
    expect(() => decode([first, part('a', true), part('b', false)], limits)).toThrow(
      expect.objectContaining({ code: 'bad-message' }),
    );
    expect(decode([first, part('a', true), part('a', false)], limits).directories.get('')?.entries).toHaveLength(1);
  });

  it('with more entries than allowed is refused', () => {
    const many = tree({ '': Array.from({ length: 100 }, (_, at) => entry('file', `${at + 100}`)) });
    expect(() => roundTrip(many, { ...limits, manifestEntries: 20 })).toThrow(
      expect.objectContaining({ code: 'limit-exceeded' }),
    );
  });

  it('that would unpack to more than allowed is refused before it is unpacked', () => {
    const bomb = brotliCompressSync(Buffer.alloc(64 << 20));
    const head = Buffer.alloc(8);
    head.writeUInt32LE(bomb.length, 0);
    head.writeUInt32LE(64 << 20, 4);
    const push = (block: Buffer) => () => new ManifestDecoder(limits).push(block);
    expect(push(Buffer.concat([head, bomb]))).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    head.writeUInt32LE(1 << 20, 4);
    expect(push(Buffer.concat([head, bomb]))).toThrow(expect.objectContaining({ code: 'bad-message' }));
  });
});
