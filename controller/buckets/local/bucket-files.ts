import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { errnoOf } from '../../../protocol/base/errors.ts';
import { type ByteKey, isPlainKey, keyOf } from './bucket-key.ts';
import type { Place } from './index-record.ts';

/** Directories of a bucket, beside each other so that a file gets from one to another by a rename. */
const directories = ['files', 'odd', 'tmp', 'uploads', 'index'] as const;

/** Where things of a bucket lie. */
export class BucketFiles {
  /** Absolute, without symlinks. */
  readonly root: string;
  /** Whether `a` and `A` are one name to the file system, as on macOS. */
  readonly foldsCase: boolean;

  private constructor(root: string, foldsCase: boolean) {
    this.root = root;
    this.foldsCase = foldsCase;
  }

  /** Makes what is missing. Rejects with ENOENT when the bucket's own directory is not there. */
  static async open(directory: string): Promise<BucketFiles> {
    const root = await realpath(directory);
    for (const name of directories) await mkdir(`${root}/${name}`, { mode: 0o700 }).catch(unlessThere);
    const probe = `${root}/tmp/probe-${randomBytes(8).toString('hex')}`;
    await writeFile(probe, '');
    const folded = await lstat(probe.replace('probe-', 'PROBE-')).catch(() => undefined);
    await rm(probe, { force: true });
    return new BucketFiles(root, folded !== undefined);
  }

  get files(): string {
    return `${this.root}/files`;
  }

  get tmp(): string {
    return `${this.root}/tmp`;
  }

  get odd(): string {
    return `${this.root}/odd`;
  }

  get uploads(): string {
    return `${this.root}/uploads`;
  }

  get index(): string {
    return `${this.root}/index`;
  }

  /** Where files go that the index should know of and, damaged, does not. */
  get lost(): string {
    return `${this.root}/lost`;
  }

  /** Undefined for a key that no directory holds. */
  plainPath(key: ByteKey): string | undefined {
    return isPlainKey(key) ? `${this.files}/${keyOf(key)}` : undefined;
  }

  oddPath(key: ByteKey): string {
    return `${this.odd}/${oddName(key)}`;
  }

  pathOf(place: Place, key: ByteKey): string {
    return (place === 'files' ? this.plainPath(key) : undefined) ?? this.oddPath(key);
  }
}

export function oddName(key: ByteKey): string {
  return createHash('sha256').update(key, 'latin1').digest('hex');
}

function unlessThere(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error;
}
