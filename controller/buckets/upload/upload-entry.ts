import { joinPath, type RootPath } from '../../../protocol/base/root-path.ts';

/** A local path and the name it has in the bucket: '' puts what a directory holds at the top. Both latin1-held. */
export interface UploadSource {
  readonly root: string;
  readonly name: RootPath;
}

/** What the file system says of something that belongs in the bucket. */
export interface UploadEntry {
  readonly key: string;
  /** Absolute, latin1-held. */
  readonly where: string;
  /** `dir` is one with nothing in it: others are there through what they hold. */
  readonly kind: 'file' | 'dir' | 'symlink';
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** Files only, like `ino`. */
  readonly ctimeNs: bigint;
  readonly ino: bigint;
  /** Bytes of the object. */
  readonly size: number;
  /** A symlink's text, latin1-held. */
  readonly text: string;
  /** Root of its source, latin1-held. */
  readonly source: string;
}

const maxKeyBytes = 1024;

/** The key that a path (latin1-held) gets; a text that says why it can have none. */
export function keyOf(name: RootPath, path: RootPath, isDirectory: boolean): { readonly key: string } | string {
  const joined = name === '' || path === '' ? `${name}${path}` : joinPath(name, path);
  const bytes = Buffer.from(isDirectory ? `${joined}/` : joined, 'latin1');
  const key = bytes.toString('utf8');
  if (!Buffer.from(key, 'utf8').equals(bytes)) return 'its name is not UTF-8, which keys of a bucket are';
  if (bytes.length > maxKeyBytes)
    return `its key would have ${bytes.length} bytes, a bucket takes at most ${maxKeyBytes}`;
  if (/[\0-\x1f\x7f]/.test(key))
    return 'its name has a control character, which keys of a bucket cannot have everywhere';
  return { key };
}
