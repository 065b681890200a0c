import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { bootId } from '../../protocol/base/boot-id.ts';
import { errnoOf } from '../../protocol/base/errors.ts';
import { bytesOf, type NativePath, type RootPath } from '../../protocol/base/root-path.ts';
import { digestHex, digestOf } from '../../protocol/chunk/digest.ts';
import { removeStaged } from '../../protocol/pull/replica/remove-staged.ts';
import type { ObjectStat } from '../../protocol/store/object-store.ts';

/** Of a staged file while its bytes come: what it ends with is never 0. */
export const unfinishedMode = 0;

const bootName = 'boot';
const blockBytes = 512;

/**
 * Where objects are made whole before they are placed, on the root's file system. A staged object bears a name of its path,
 * source and version; `.part` and `.done` beside it while it comes by ranges. What an earlier run of this boot left is used.
 */
export class CopyStage {
  /** Absolute, latin1. */
  readonly directory: string;
  readonly #source: string;
  /** Names that were there when the run began. */
  readonly #found: readonly string[];
  readonly #whole = new Set<string>();

  /** Blocking. */
  constructor(directory: string, source: string, boot = bootId() ?? '') {
    this.directory = directory;
    this.#source = bytesOf(source);
    // Without barriers in between, a power cut leaves files of the right size and of any content.
    if (boot === '' || readText(this.#file(bootName)) !== boot) this.empty();
    mkdirSync(Buffer.from(directory, 'latin1'), { recursive: true, mode: 0o700 });
    this.#found = readdirSync(Buffer.from(directory, 'latin1'), 'latin1').filter((name) => name !== bootName);
    writeFileSync(this.#file(bootName), boot);
  }

  /**
   * Finds what an earlier run staged of these, and deletes whatever else it left: nobody wants it, and it takes room.
   * Returns the bytes that need no new room. Blocking.
   */
  takeUp(wanted: Iterable<{ readonly path: RootPath; readonly object: ObjectStat }>): number {
    if (this.#found.length === 0) return 0;
    const sizes = new Map<string, number>();
    for (const { path, object } of wanted) sizes.set(this.#name(path, object), object.size);
    let held = 0;
    for (const name of this.#found) {
      const stats = lstatSync(this.#file(name), { throwIfNoEntry: false });
      const [base = '', suffix] = name.split('.');
      const size = sizes.get(base);
      if (stats === undefined) continue;
      if (size !== undefined && suffix !== undefined) held += suffix === 'part' ? stats.blocks * blockBytes : 0;
      else if (size !== undefined && (stats.isSymbolicLink() || isWhole(stats, size))) {
        this.#whole.add(name);
        held += size;
      } else removeStaged(this.#file(name));
    }
    return held;
  }

  where(path: RootPath, object: ObjectStat): string {
    return `${this.directory}/${this.#name(path, object)}`;
  }

  /** Whether an earlier run staged the object whole. */
  has(path: RootPath, object: ObjectStat): boolean {
    return this.#whole.size > 0 && this.#whole.has(this.#name(path, object));
  }

  /** Deletes everything staged. Blocking. */
  empty(): void {
    rmSync(Buffer.from(this.directory, 'latin1'), { recursive: true, force: true });
  }

  #name(path: RootPath, { version, size }: ObjectStat): string {
    const text = `${path.length} ${path} ${size} ${version.length} ${bytesOf(version)} ${this.#source}`;
    return digestHex(digestOf(text)).slice(0, 40);
  }

  #file(name: string): Buffer {
    return Buffer.from(`${this.directory}/${name}`, 'latin1');
  }
}

function isWhole(stats: { readonly size: number; readonly mode: number; isFile(): boolean }, size: number): boolean {
  return stats.isFile() && stats.size === size && (stats.mode & 0o777) !== unfinishedMode;
}

function readText(path: NativePath): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
