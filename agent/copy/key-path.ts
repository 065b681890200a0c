import { bytesOf, isSafeName, type RootPath } from '../../protocol/base/root-path.ts';
import { limits } from '../../protocol/wire/limits.ts';

/** What a key, without the prefix that is copied, is on the node's disk. */
export type KeyPath =
  | { readonly type: 'file' | 'directory'; readonly path: RootPath }
  | { readonly type: 'unsafe'; readonly why: string };

/** A key is what anybody called it: only one that is a plain relative path becomes one. */
export function keyPath(key: string): KeyPath {
  const bytes = bytesOf(key);
  const directory = bytes.endsWith('/');
  const path = directory ? bytes.slice(0, -1) : bytes;
  if (path.length > limits.pathBytes) return unsafe(`it has ${path.length} bytes`);
  if (/[\0-\x1f\x7f]/.test(path)) return unsafe('it has a control character');
  for (const name of path.split('/')) {
    if (name === '') return unsafe('it has an empty name between slashes');
    if (name === '.' || name === '..') return unsafe(`it has the name ${name}`);
    if (!isSafeName(name)) return unsafe(`a name in it has ${name.length} bytes`);
  }
  return { type: directory ? 'directory' : 'file', path };
}

function unsafe(why: string): KeyPath {
  return { type: 'unsafe', why };
}
