/**
 * Where new contents are made complete before they are put in place: `files/KEY`, which is a whole directory where the
 * node has none of that name; the whole `tree` when there is no root; `begun` names the boot of the machine and the manifest that it was
 * begun for; `ahead` is what came before there was a manifest. What an earlier pull left is used again.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { bootId } from '../../base/boot-id.ts';
import { absolutePath, joinPath, type NativePath, nativePath, type RootPath } from '../../base/root-path.ts';
import { type Digest, digestHex, digestOf } from '../../chunk/digest.ts';
import type { Entry } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import type { Placement, Plan, Tree } from './plan.ts';
import { look } from './print.ts';
import { removeStaged } from './remove-staged.ts';
import { aheadName } from './stage-directory.ts';

/** Characters of a content from which hashing it is worth sparing. */
const longContent = 16 << 10;

export class Stage {
  readonly directory: string;
  /** Whether the stage holds a whole new root. */
  readonly appears: boolean;
  /**
   * Whether it was begun for the same manifest and the machine has run since, so that finished files are what they look
   * like: of another manifest they can have the same size, mode and mtime, and other bytes.
   */
  readonly trusted: boolean;
  /** Whether nothing was staged here before. */
  readonly fresh: boolean;
  readonly #trees = new Map<Tree, string>();
  /** Of files with long chunk lists, whose names are asked for several times. */
  readonly #longNames = new Map<RootPath, { readonly entry: Entry; readonly name: string }>();
  readonly #digest: Digest;
  /** What came before there was a manifest, and is not taken up yet; latin1. */
  readonly #ahead: string | undefined;

  constructor(directory: string, appears: boolean, digest: Digest) {
    this.directory = directory;
    this.appears = appears;
    this.#digest = digest;
    const ahead = `${directory}/${aheadName}`;
    this.#ahead = look(Buffer.from(ahead, 'latin1'))?.isDirectory() === true ? ahead : undefined;
    const begun = this.#begun();
    this.trusted = begun !== undefined && this.#ahead === undefined && readText(this.#mark) === begun;
    const files = Buffer.from(`${directory}/files`, 'latin1');
    const tree = Buffer.from(`${directory}/tree`, 'latin1');
    if (!appears) removeStaged(tree);
    const madeFiles = mkdirSync(files, { recursive: true, mode: 0o700 }) !== undefined;
    if (!this.trusted) writeFileSync(this.#mark, '');
    if (appears) this.#takeUp('', tree);
    const madeTree = appears && mkdirSync(tree, { recursive: true, mode: 0o700 }) !== undefined;
    this.fresh = (appears ? madeTree : madeFiles) && this.#ahead === undefined;
  }

  /** Moves what came in advance to where the plan stages it, and deletes the rest. Blocking. */
  takeUpAhead({ placements, trees }: Pick<Plan, 'placements' | 'trees'>): void {
    if (this.#ahead === undefined) return;
    if (!this.appears) {
      for (const tree of trees) this.#takeUp(tree.path, Buffer.from(this.whereTree(tree), 'latin1'));
      for (const placement of placements)
        if (placement.tree === undefined && placement.entry.kind === 'file')
          this.#takeUp(placement.path, this.where(placement));
    }
    removeStaged(Buffer.from(this.#ahead, 'latin1'));
  }

  #takeUp(path: RootPath, to: NativePath): void {
    if (this.#ahead === undefined || look(to) !== undefined) return;
    const from = absolutePath(this.#ahead, path);
    if (look(from) !== undefined) renameSync(from, to);
  }

  /** All that was left here and looks finished has been looked through. Blocking. */
  lookedThrough(): void {
    if (!this.trusted) writeFileSync(this.#mark, this.#begun() ?? '');
  }

  get #mark(): Buffer {
    return Buffer.from(`${this.directory}/begun`, 'latin1');
  }

  /** Undefined where the system does not say which boot this is: then nothing is trusted. */
  #begun(): string | undefined {
    const boot = bootId();
    return boot === undefined ? undefined : `${boot} ${digestHex(this.#digest)}`;
  }

  /** Name of a staged object below `files`: of its path and contents, so that a later pull finds it. */
  name(path: RootPath, entry: Entry): string {
    const known = this.#longNames.get(path);
    if (known?.entry === entry) return known.name;
    const name = this.#nameOf(path, entry);
    if (entry.content.length >= longContent) this.#longNames.set(path, { entry, name });
    return name;
  }

  #nameOf(path: RootPath, entry: Entry): string {
    const { kind, mode, mtimeSec, mtimeNsec, content } = entry;
    const head = `${path.length} ${path}${kind} ${mode} ${mtimeSec}.${mtimeNsec} `;
    // A long one is not put behind it first: that takes as long again.
    const digest =
      content.length < longContent
        ? digestHex(digestOf(`${head}${content}`))
        : createHash('sha256').update(head, 'latin1').update(content, 'latin1').digest('hex');
    return digest.slice(0, 40);
  }

  where({ path, entry, tree }: Placement): NativePath {
    if (this.appears) return absolutePath(`${this.directory}/tree`, path);
    if (tree !== undefined) return this.whereInTree(tree, path);
    return nativePath(`${this.directory}/files/${this.name(path, entry)}`);
  }

  whereInTree(tree: Tree, path: RootPath): NativePath {
    return absolutePath(this.whereTree(tree), tree.path === '' ? path : path.slice(tree.path.length + 1));
  }

  /** Where a tree is staged; latin1. */
  whereTree(tree: Tree): string {
    const known = this.#trees.get(tree);
    if (known !== undefined) return known;
    const where = this.#whereTree(tree);
    this.#trees.set(tree, where);
    return where;
  }

  #whereTree({ path, entry }: Tree): string {
    return this.appears ? `${this.directory}/tree` : `${this.directory}/files/${this.name(path, entry)}`;
  }

  /** The whole of a new root. */
  static root(manifest: Manifest): Tree {
    return { path: '', entry: manifest.root, directories: [...manifest.directories.keys()].sort() };
  }

  /** Makes the directories of a tree, open for writing, and clears from an earlier one what is neither a directory of it nor to be `placed`. */
  prepareTree(tree: Tree, manifest: Manifest, placed: ReadonlySet<RootPath>): void {
    for (const path of tree.directories) {
      const where = this.whereInTree(tree, path);
      if (this.fresh) {
        if (path !== '') mkdirSync(where, { mode: 0o700 });
        continue;
      }
      if (look(where)?.isDirectory() === false) unlinkSync(where);
      if (look(where) === undefined) mkdirSync(where, { mode: 0o700 });
      else chmodSync(where, 0o700);
      const entries = manifest.directories.get(path)?.entries ?? [];
      const wanted = entries.filter(({ kind, name }) => kind === 'dir' || placed.has(joinPath(path, name)));
      const names = new Set(wanted.map(({ name }) => name));
      for (const name of readdirSync(where, { encoding: 'latin1' })) {
        if (!names.has(name)) {
          removeStaged(this.whereInTree(tree, joinPath(path, name)));
        }
      }
    }
  }

  /** Deletes what an earlier pull staged and this plan has no use for: it may be what fills the disk. Blocking. */
  keepOnly({ placements, trees }: Pick<Plan, 'placements' | 'trees'>): void {
    if (this.fresh && !this.appears) return;
    const used = new Set([
      ...placements.filter(({ tree }) => tree === undefined).map(({ path, entry }) => this.name(path, entry)),
      ...trees.map(({ path, entry }) => this.name(path, entry)),
    ]);
    const files = `${this.directory}/files`;
    for (const name of readdirSync(Buffer.from(files, 'latin1'), { encoding: 'latin1' }))
      if (this.appears || !used.has(name)) removeStaged(absolutePath(files, name));
  }

  /** Makes a staged hard link to `target` (absolute). */
  link(placement: Placement, target: NativePath): void {
    const where = this.where(placement);
    if (!this.fresh) removeStaged(where);
    linkSync(target, where);
  }

  /** Deletes everything staged. Blocking. */
  empty(): void {
    removeStaged(Buffer.from(this.directory, 'latin1'));
  }
}

function readText(path: NativePath): string | undefined {
  return look(path) === undefined ? undefined : readFileSync(path, 'utf8');
}
