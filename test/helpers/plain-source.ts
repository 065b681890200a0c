/**
 * A source in the plainest way: reads a whole tree into memory, no index, no ignore rules, no threads. What replicas are
 * tested with when the source is not the subject.
 */

import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chunkSizes, cutPoint } from '../../protocol/chunk/chunker.ts';
import { type Digest, digestOf } from '../../protocol/chunk/digest.ts';
import { chunkRecord, type Entry } from '../../protocol/chunk/entry.ts';
import { type Directory, type Manifest, manifestDigest } from '../../protocol/chunk/manifest.ts';
import { encodeManifest } from '../../protocol/chunk/manifest-codec.ts';
import { encodePackHeader } from '../../protocol/chunk/pack.ts';

export interface PlainSnapshot {
  readonly manifest: Manifest;
  readonly digest: Digest;
  readonly chunks: readonly Buffer[];
}

export function plainSnapshot(root: string): PlainSnapshot {
  const directories = new Map<string, Directory>();
  // The first name of a file in path order has its contents, the others are links to it.
  const links = new Map<string, string>();
  for (const path of [...allFiles(root, '')].sort()) {
    const inode = String(
      lstatSync(Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1'), { bigint: true }).ino,
    );
    if (!links.has(inode)) links.set(inode, path);
  }
  const read = (path: string, name: string): { entry: Entry; bytes: Buffer } => {
    const where = Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1');
    const stats = lstatSync(where, { bigint: true });
    const seconds =
      stats.mtimeNs < 0n && stats.mtimeNs % 1_000_000_000n !== 0n
        ? stats.mtimeNs / 1_000_000_000n - 1n
        : stats.mtimeNs / 1_000_000_000n;
    const common = {
      name,
      mode: Number(stats.mode) & 0o7777,
      mtimeSec: Number(seconds),
      mtimeNsec: Number(stats.mtimeNs - seconds * 1_000_000_000n),
    };
    const none = Buffer.alloc(0);
    if (stats.isSymbolicLink()) {
      return {
        entry: {
          ...common,
          mode: 0o777,
          kind: 'symlink',
          size: 0,
          content: readlinkSync(where, { encoding: 'buffer' }).toString('latin1'),
        },
        bytes: none,
      };
    }
    if (stats.isDirectory()) return { entry: { ...common, kind: 'dir', size: 0, content: '' }, bytes: none };
    const first = links.get(String(stats.ino));
    if (first !== undefined && first !== path)
      return { entry: { ...common, kind: 'hardlink', size: 0, content: first }, bytes: none };
    const bytes = readFileSync(where);
    let content = '';
    for (const chunk of cut(bytes)) content += chunkRecord(digestOf(chunk), chunk.length);
    return { entry: { ...common, kind: 'file', size: bytes.length, content }, bytes };
  };
  const contents = new Map<string, Buffer>();
  const walk = (paths: string[]): void => {
    for (let next = paths.shift(); next !== undefined; next = paths.shift()) {
      const path = next;
      const names = readdirSync(Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1'), { encoding: 'buffer' })
        .map((name) => name.toString('latin1'))
        .sort();
      const entries = names.map((name) => {
        const child = path === '' ? name : `${path}/${name}`;
        const { entry, bytes } = read(child, name);
        contents.set(child, bytes);
        if (entry.kind === 'dir') paths.push(child);
        return entry;
      });
      directories.set(path, { path, entries });
      paths.sort();
    }
  };
  const top = read('', '');
  if (top.entry.kind === 'dir') walk(['']);
  contents.set('', top.bytes);
  const manifest = { root: top.entry, directories };
  const chunks: Buffer[] = top.entry.kind === 'file' ? cut(top.bytes) : [];
  for (const path of [...directories.keys()].sort()) {
    for (const entry of directories.get(path)?.entries ?? []) {
      if (entry.kind === 'file')
        chunks.push(...cut(contents.get(path === '' ? entry.name : `${path}/${entry.name}`) ?? Buffer.alloc(0)));
    }
  }
  return { manifest, digest: manifestDigest(manifest), chunks };
}

function allFiles(root: string, path: string): string[] {
  const where = Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1');
  if (!lstatSync(where).isDirectory()) return lstatSync(where).isFile() ? [path] : [];
  return readdirSync(where, { encoding: 'buffer' }).flatMap((name) =>
    allFiles(root, path === '' ? name.toString('latin1') : `${path}/${name.toString('latin1')}`),
  );
}

function cut(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = cutPoint(bytes, at, bytes.length, chunkSizes(bytes.length));
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

export function manifestBlocks({ manifest }: PlainSnapshot): Buffer[] {
  return [...encodeManifest(manifest)].map((block) => Buffer.from(block));
}

/** The packs that answer a request for these ranges. */
export function packsOf({ chunks }: PlainSnapshot, ranges: readonly number[]): Buffer[] {
  const packs: Buffer[] = [];
  for (let at = 0; at + 1 < ranges.length; at += 2) {
    const first = ranges[at] ?? 0;
    const count = ranges[at + 1] ?? 0;
    for (let from = first; from < first + count; from += 64) {
      const some = chunks.slice(from, Math.min(first + count, from + 64));
      const body = Buffer.concat(some);
      packs.push(Buffer.concat([encodePackHeader('raw', body.length, [{ first: from, count: some.length }]), body]));
    }
  }
  return packs;
}
