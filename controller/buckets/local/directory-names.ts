import type { BigIntStats } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { errnoOf } from '../../../protocol/base/errors.ts';
import { Turns } from '../../../protocol/base/turns.ts';
import { Grain } from '../../../protocol/pull/source/grain.ts';
import { statOf } from './plain-place.ts';
import { SortedRuns } from './sorted-runs.ts';

/** What of a directory can hold objects. */
export interface Names {
  /** Ascending, latin1-held; those of directories end with `/`, so that they are where their keys are. */
  readonly sorted: readonly string[];
  /** Symlinks, sockets and the like, which are no objects. */
  readonly others: number;
}

/** Names that are kept, of all directories together. */
const keptNames = 400_000;
const atOnce = 512;
const nothing: Names = { sorted: [], others: 0 };

/** Sorted names of directories, kept as long as the directories say that they did not change. */
export class DirectoryNames {
  readonly #kept = new Map<string, { readonly print: string; readonly names: Names }>();
  readonly #grain = new Grain();
  #count = 0;

  /** Of an absolute path, latin1-held; nothing where there is no directory. */
  async read(path: string): Promise<Names> {
    const bytes = Buffer.from(path, 'latin1');
    try {
      const before = await stat(bytes, { bigint: true });
      const readAt = BigInt(Date.now()) * 1_000_000n;
      const print = printOf(before);
      const kept = this.#kept.get(path);
      if (kept?.print === print) return kept.names;
      this.#drop(path);
      const names = await readNames(bytes);
      // A directory that changed within the clock's grain may change again without showing it.
      if (before.ctimeNs + this.#grain.of(before, bytes) < readAt) this.#keep(path, print, names);
      return names;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return nothing;
      throw error;
    }
  }

  #keep(path: string, print: string, names: Names): void {
    this.#kept.set(path, { print, names });
    this.#count += names.sorted.length + 1;
    for (const oldest of this.#kept.keys()) {
      if (this.#count <= keptNames) return;
      this.#drop(oldest);
    }
  }

  #drop(path: string): void {
    const kept = this.#kept.get(path);
    if (kept === undefined) return;
    this.#kept.delete(path);
    this.#count -= kept.names.sorted.length + 1;
  }
}

function printOf({ ino, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${mtimeNs} ${ctimeNs}`;
}

async function readNames(path: Buffer): Promise<Names> {
  const turns = new Turns();
  const runs = new SortedRuns();
  let others = 0;
  for await (const entry of await opendir(path, { encoding: 'latin1', bufferSize: atOnce })) {
    let [file, directory] = [entry.isFile(), entry.isDirectory()];
    const unknown = !file && !directory && !entry.isSymbolicLink() && !isSpecial(entry);
    if (unknown) {
      // File systems need not tell what a name is.
      const stats = await statOf(Buffer.concat([path, Buffer.from(`/${entry.name}`, 'latin1')]));
      [file, directory] = [stats?.isFile() === true, stats?.isDirectory() === true];
    }
    if (file || directory) runs.add(directory ? `${entry.name}/` : entry.name);
    else others += 1;
    if (turns.over) await turns.next();
  }
  return { sorted: await runs.merged(turns), others };
}

function isSpecial(entry: {
  isFIFO(): boolean;
  isSocket(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}) {
  return entry.isFIFO() || entry.isSocket() || entry.isBlockDevice() || entry.isCharacterDevice();
}
