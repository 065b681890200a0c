import { TowError } from './errors.ts';

/**
 * Paths inside a root. A name is bytes, so it is held as a latin1 string (one character a byte): it compares, sorts and
 * hashes as its bytes do and any name survives, valid UTF-8 or not. `Buffer.from(path, 'latin1')` is what the file
 * system gets; `displayPath` is what people get.
 */
export type RootPath = string;

const maxNameBytes = 255;

/** Whether a name may be one component of a path in a root: no separator, no NUL, not `.` or `..`, at most 255 bytes. */
export function isSafeName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= maxNameBytes &&
    name !== '.' &&
    name !== '..' &&
    !/[/\0]/.test(name) &&
    isLatin1(name)
  );
}

function isLatin1(text: string): boolean {
  return /^[\0-\xff]*$/.test(text);
}

/** Checks a path that came from a peer: relative, no empty, `.` or `..` component. '' (the root itself) is valid. */
export function parseRootPath(path: string): RootPath {
  if (path !== '' && !path.split('/').every(isSafeName)) {
    throw new TowError('bad-message', `unsafe path ${JSON.stringify(displayPath(path))}`);
  }
  return path;
}

export function joinPath(dir: RootPath, name: string): RootPath {
  return dir === '' ? name : `${dir}/${name}`;
}

/** The directory a path lies in; '' for a path at the top. */
export function parentOf(path: RootPath): RootPath {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** Whether a path or one above it is in the set. */
export function isWithin(path: RootPath, set: ReadonlySet<RootPath>): boolean {
  if (set.size === 0) return false;
  for (let at = path; ; at = parentOf(at)) {
    if (set.has(at)) return true;
    if (at === '') return false;
  }
}

/** The last component. */
export function nameOf(path: RootPath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** A file-system path as Node takes it: a string where its bytes are ASCII, which costs half as much as a buffer. */
export type NativePath = string | Buffer;

/** A latin1-held path as Node wants it, for bytes that need not be UTF-8. */
export function nativePath(path: string): NativePath {
  return isAscii(path) ? path : Buffer.from(path, 'latin1');
}

export function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

/** An absolute file-system path as Node wants it. Both arguments are latin1-held. */
export function absolutePath(root: string, path: RootPath): NativePath {
  return nativePath(path === '' ? root : `${root}/${path}`);
}

/** Text (UTF-16) to the latin1-held bytes of its UTF-8 form, as the file system has it. */
export function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A path for people: UTF-8 where it is, control characters and stray bytes escaped so that no name can drive a terminal. */
export function displayPath(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  const valid = Buffer.from(text, 'utf8').equals(bytes);
  return (valid ? text : path).replace(
    valid ? /[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g : /[\0-\x1f\x7f-\xff]/g,
    (c) => {
      const code = c.charCodeAt(0);
      return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
    },
  );
}
