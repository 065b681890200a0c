/** Reads a tree from disk as tests compare it: every path with its type, bytes, mode, mtime, link text and link group. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface TreeItem {
  readonly kind: 'file' | 'dir' | 'symlink' | 'other';
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** SHA-256 of a file's bytes, a symlink's text, '' otherwise. */
  readonly content: string;
  /** Files with the same key are one file under several names. */
  readonly inode: string;
}

/** Every path below `root` (latin1, relative), and '' for the root itself. */
export function readTree(root: string): Map<string, TreeItem> {
  const items = new Map<string, TreeItem>();
  const visit = (path: string): void => {
    const where = Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1');
    const stats = lstatSync(where, { bigint: true });
    const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'dir' : stats.isSymbolicLink() ? 'symlink' : 'other';
    const content =
      kind === 'file'
        ? createHash('sha256').update(readFileSync(where)).digest('hex')
        : kind === 'symlink'
          ? readlinkSync(where, { encoding: 'buffer' }).toString('latin1')
          : '';
    items.set(path, {
      kind,
      mode: kind === 'symlink' ? 0o777 : Number(stats.mode) & 0o7777,
      mtimeNs: stats.mtimeNs,
      content,
      inode: `${stats.dev}:${stats.ino}`,
    });
    if (kind !== 'dir') return;
    const names = readdirSync(where, { encoding: 'buffer' })
      .map((name) => name.toString('latin1'))
      .sort();
    for (const name of names) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return items;
}

/** One line for each way in which `actual` lacks or differs from `expected`; what `actual` has besides is not named. */
export function missingOrDifferent(
  expected: ReadonlyMap<string, TreeItem>,
  actual: ReadonlyMap<string, TreeItem>,
): string[] {
  const lines: string[] = [];
  const [wantLinks, gotLinks] = [linkGroups(expected, expected), linkGroups(actual, expected)];
  for (const [path, want] of expected) {
    const got = actual.get(path);
    const shown = JSON.stringify(path);
    if (got === undefined) lines.push(`${shown} is missing`);
    else {
      for (const field of ['kind', 'mode', 'mtimeNs', 'content'] as const) {
        if (got[field] !== want[field])
          lines.push(`${shown} ${field}: want ${String(want[field])}, got ${String(got[field])}`);
      }
      if (wantLinks.get(path) !== gotLinks.get(path))
        lines.push(`${shown} is a link of ${gotLinks.get(path)}, not of ${wantLinks.get(path)}`);
    }
  }
  return lines;
}

/** For each file of `items` at one of `paths`: the first of those paths that is the same file. */
function linkGroups(items: ReadonlyMap<string, TreeItem>, paths: ReadonlyMap<string, unknown>): Map<string, string> {
  const first = new Map<string, string>();
  const groups = new Map<string, string>();
  for (const [path, { kind, inode }] of items) {
    if (kind !== 'file' || !paths.has(path)) continue;
    if (!first.has(inode)) first.set(inode, path);
    groups.set(path, first.get(inode) ?? path);
  }
  return groups;
}
