import { createHash, type Hash } from 'node:crypto';
import { absolutePath, type RootPath } from '../../base/root-path.ts';
import { maxObjectBytes } from '../../chunk/file-pack.ts';
import { PackIdx } from '../../git/pack-idx.ts';

/** An object of a git pack that is sent. */
export interface PackedContent {
  readonly pack: RootPath;
  /** Offset in the pack. */
  readonly object: number;
}

/** Says whether the git packs of a tree have some contents already, whatever the files that have them are called. Opens their indexes: to be closed. */
export class PackedContents {
  readonly #indexes: readonly (readonly [RootPath, PackIdx])[];

  /** `packs` are paths in `root`. Blocking. */
  constructor(root: string, packs: readonly RootPath[]) {
    this.#indexes = packs.flatMap((pack) => {
      const idx = PackIdx.open(absolutePath(root, pack.replace(/\.pack$/, '.idx')));
      return idx === undefined ? [] : [[pack, idx] as const];
    });
  }

  /** To be fed a file of `size` bytes; undefined where it is not worth it. */
  nameOf(size: number): Hash | undefined {
    if (this.#indexes.length === 0 || size === 0 || size > maxObjectBytes) return undefined;
    return createHash('sha1').update(`blob ${size}\0`);
  }

  /** Where the contents are that were fed to a `nameOf`. Blocking. */
  find(name: Hash): PackedContent | undefined {
    return this.findObject(name.digest());
  }

  /** Where an object is, by its name of 20 bytes. Blocking. */
  findObject(id: Uint8Array): PackedContent | undefined {
    for (const [pack, idx] of this.#indexes) {
      const object = idx.find(id);
      if (object !== undefined) return { pack, object };
    }
    return undefined;
  }

  close(): void {
    for (const [, idx] of this.#indexes) idx.close();
  }
}
