import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { bootId } from '../../protocol/base/boot-id.ts';
import { errnoOf } from '../../protocol/base/errors.ts';
import { bytesOf, type RootPath } from '../../protocol/base/root-path.ts';
import { digestHex, digestOf } from '../../protocol/chunk/digest.ts';
import type { ObjectStat } from '../../protocol/store/object-store.ts';

/**
 * Where objects are made whole before they are placed, on the root's file system. A staged object bears a name of its path
 * and version; `.part` and `.done` beside it while it is fetched. What an earlier run of this boot left is used.
 */
export class CopyStage {
  /** Absolute, latin1. */
  readonly directory: string;

  /** Blocking. */
  constructor(directory: string) {
    this.directory = directory;
    const boot = this.#file('boot');
    const now = bootId() ?? '';
    // Without barriers in between, a power cut leaves files of the right size and of any content.
    if (now === '' || readText(boot) !== now) this.empty();
    mkdirSync(Buffer.from(directory, 'latin1'), { recursive: true, mode: 0o700 });
    writeFileSync(boot, now);
  }

  where(path: RootPath, { version, size }: ObjectStat): string {
    const name = digestHex(digestOf(`${path.length} ${path} ${size} ${bytesOf(version)}`)).slice(0, 40);
    return `${this.directory}/${name}`;
  }

  /** Whether the object is staged whole. Blocking. */
  has(path: RootPath, object: ObjectStat): boolean {
    const stats = lstatSync(Buffer.from(this.where(path, object), 'latin1'), { throwIfNoEntry: false });
    return stats !== undefined && (stats.isSymbolicLink() || stats.size === object.size);
  }

  /** Deletes everything staged. Blocking. */
  empty(): void {
    rmSync(Buffer.from(this.directory, 'latin1'), { recursive: true, force: true });
  }

  #file(name: string): Buffer {
    return Buffer.from(`${this.directory}/${name}`, 'latin1');
  }
}

function readText(path: Buffer): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
