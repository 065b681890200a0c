/**
 * Conflicts: versions of a node that were kept before the source's took their place. One directory a version:
 * `ID/meta.json`, written first, and `ID/data`, the object itself (for a repository's state: a directory that holds the
 * moved files under their paths in `.git`). Nothing here goes away but by `prune`.
 */

import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { errnoOf, TowError } from '../../base/errors.ts';
import { type NativePath, nativePath } from '../../base/root-path.ts';
import { conflictReasons } from '../../wire/pull.ts';
import { syncStage } from './barrier.ts';
import { copyTree } from './copy-tree.ts';
import { replaceFile } from './durable-file.ts';
import { look } from './print.ts';

const metaSchema = v.object({
  version: v.literal(1),
  /** The root on the node, and the path in it: latin1-held bytes. */
  root: v.string(),
  dest: v.string(),
  path: v.string(),
  reason: v.picklist(conflictReasons),
  keptAt: v.number(),
});
export type KeptMeta = v.InferOutput<typeof metaSchema>;

export type KeptDescription = Omit<KeptMeta, 'version' | 'keptAt'>;

export interface Kept extends KeptMeta {
  readonly id: string;
  /** Absolute path of what was kept, latin1. */
  readonly data: string;
}

/** From so many on, a barrier for all that is being written there costs less than two for each. */
const manyVersions = 16;

/** `id` must be a safe file name. All methods block. */
export class KeptVersions {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Writes down what is about to be kept, with one barrier for all of it where `keep` has two for each: ten thousand would
   * take a minute. What is kept in the end need not be all of it: see `takeBack`.
   */
  announce(versions: readonly { readonly id: string; readonly meta: KeptDescription }[]): void {
    if (versions.length < manyVersions) return;
    for (const { id, meta } of versions) {
      const file = this.#metaFile(id);
      if (look(Buffer.from(file)) !== undefined) continue;
      writeFileSync(`${file}.new`, this.#described(meta), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    }
    syncStage(Buffer.from(this.#directory).toString('latin1'));
  }

  /** As `takeBack`, for what a run announced that did not come to its end: all ids that begin with `prefix`. */
  takeBackAll(prefix: string): void {
    this.takeBack(this.#ids().filter((id) => id.startsWith(prefix)));
  }

  /** What was announced and was not kept, now or by an earlier run, is forgotten. */
  takeBack(ids: readonly string[]): void {
    for (const id of ids) if (look(Buffer.from(join(this.#directory, id, 'data'))) === undefined) this.drop(id);
  }

  /**
   * Moves what is at `from` (absolute, latin1) out of the way. `inside` places it below an earlier kept directory of
   * the same id. Running it again after a crash keeps one version.
   */
  keep(id: string, meta: KeptDescription, from: string, inside: string): void {
    const directory = join(this.#directory, id);
    const metaFile = this.#metaFile(id);
    if (look(Buffer.from(metaFile)) === undefined) replaceFile(metaFile, [this.#described(meta)]);
    const data = `${Buffer.from(directory).toString('latin1')}/data${inside === '' ? '' : `/${inside}`}`;
    mkdirSync(Buffer.from(dirname(data), 'latin1'), { recursive: true, mode: 0o700 });
    moveObject(Buffer.from(from, 'latin1'), freeName(data));
  }

  list(): Kept[] {
    return this.#ids()
      .map((id) => this.find(id))
      .filter((kept) => kept !== undefined)
      .sort((a, b) => a.keptAt - b.keptAt);
  }

  /** Ids, ascending, of what may be versions: `find` says which are. Resolves without blocking. */
  async ids(): Promise<string[]> {
    try {
      return (await readdir(this.#directory)).sort();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  find(id: string): Kept | undefined {
    try {
      const meta = v.parse(metaSchema, JSON.parse(readFileSync(join(this.#directory, id, 'meta.json'), 'utf8')));
      const data = Buffer.from(join(this.#directory, id, 'data')).toString('latin1');
      return look(Buffer.from(data, 'latin1')) === undefined ? undefined : { ...meta, id, data };
    } catch (error) {
      // A meta that a crash or a person left unreadable is no kept version; what lies beside it is not touched.
      if (errnoOf(error) !== undefined || error instanceof SyntaxError || v.isValiError(error)) return undefined;
      throw error;
    }
  }

  prune(id: string): void {
    if (this.find(id) === undefined)
      throw new TowError('conflict-missing', `no kept version ${id}`, { hint: 'tow conflicts ls NAME lists them' });
    this.drop(id);
  }

  /** Removes what is left of a version whose data was moved back. */
  drop(id: string): void {
    rmSync(join(this.#directory, id), { recursive: true, force: true });
  }

  #metaFile(id: string): string {
    const directory = join(this.#directory, id);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return join(directory, 'meta.json');
  }

  #described(meta: KeptDescription): Buffer {
    return Buffer.from(JSON.stringify({ version: 1, keptAt: Date.now(), ...meta }));
  }

  #ids(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

/** Moves a file, symlink or tree; across file systems by copy, then removal. Blocking. */
export function moveObject(from: NativePath, to: NativePath): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    const temp = nativePath(`${to.toString('latin1')}.partial`);
    rmSync(temp, { recursive: true, force: true });
    copyTree(from, temp);
    renameSync(temp, to);
    removeTree(from);
  }
}

/** A symlink is removed, not what it leads to: `rmSync` without `recursive` asks the latter what it is (Node 24). */
function removeTree(path: NativePath): void {
  if (lstatSync(path).isDirectory()) rmSync(path, { recursive: true, force: true });
  else unlinkSync(path);
}

/** The path itself, or with a number behind it if something is there already. */
function freeName(path: string): NativePath {
  for (let n = 0; ; n += 1) {
    const candidate = nativePath(n === 0 ? path : `${path}~${n}`);
    if (look(candidate) === undefined) return candidate;
  }
}
