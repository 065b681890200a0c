import { readdirSync } from 'node:fs';
import { isAscii, type NativePath } from '../../base/root-path.ts';

/** What a directory says of what is in it; the name is latin1-held. */
export interface Name {
  readonly name: string;
  isDirectory(): boolean;
}

/** In order. Throws as `readdirSync`. Blocking. */
export function namesIn(directory: NativePath): Name[] {
  if (typeof directory === 'string') {
    try {
      const names = readdirSync(directory, { withFileTypes: true, encoding: 'latin1' });
      if (names.every(({ name }) => isAscii(name))) return names.sort(byName);
    } catch {
      // The other way says why, if it cannot be read.
    }
  }
  // Where the file system does not say what a name is, Node asks: with these bytes, not with what they would be as text.
  const names = readdirSync(directory, { withFileTypes: true, encoding: 'buffer' });
  return names
    .map((dirent) => ({ name: dirent.name.toString('latin1'), isDirectory: () => dirent.isDirectory() }))
    .sort(byName);
}

function byName(a: Name, b: Name): number {
  return a.name < b.name ? -1 : 1;
}

export function hasName(names: readonly Name[], wanted: string): boolean {
  return names.some(({ name }) => name === wanted);
}
