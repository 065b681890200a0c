/**
 * Where new contents are made complete before they are put in place. `files/KEY` when the root exists, the whole `tree`
 * when it does not; `boot` names the boot that it was begun in. What an earlier pull left is used again.
 */
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { absolutePath, joinPath, type RootPath } from '../../base/root-path.ts';
import { digestHex, digestOf } from '../../chunk/digest.ts';
import type { Entry } from '../../chunk/entry.ts';
import type { Manifest } from '../../chunk/manifest.ts';
import { look } from './print.ts';

export class Stage {
  readonly directory: string;
  /** Whether the stage holds a whole new root. */
  readonly appears: boolean;
  /** Whether the machine has run since the stage was begun, so that finished files are as they were written. */
  readonly trusted: boolean;
  /** Whether nothing was staged here before. */
  readonly fresh: boolean;

  constructor(directory: string, appears: boolean) {
    this.directory = directory;
    this.appears = appears;
    const boot = Buffer.from(`${directory}/boot`, 'latin1');
    const now = bootId();
    this.trusted = now !== undefined && readText(boot) === now;
    const files = Buffer.from(`${directory}/files`, 'latin1');
    const tree = Buffer.from(`${directory}/tree`, 'latin1');
    if (!appears) rmSync(tree, { recursive: true, force: true });
    const madeFiles = mkdirSync(files, { recursive: true, mode: 0o700 }) !== undefined;
    const madeTree = appears && mkdirSync(tree, { recursive: true, mode: 0o700 }) !== undefined;
    this.fresh = appears ? madeTree : madeFiles;
    if (!this.trusted) writeFileSync(boot, now ?? '');
  }

  /** Name of a staged object below `files`: of its path and contents, so that a later pull finds it. */
  name(path: RootPath, entry: Entry): string {
    return digestHex(
      digestOf(
        `${path.length} ${path}${entry.kind} ${entry.mode} ${entry.mtimeSec}.${entry.mtimeNsec} ${entry.content}`,
      ),
    ).slice(0, 40);
  }

  where(path: RootPath, entry: Entry): Buffer {
    return this.appears
      ? absolutePath(`${this.directory}/tree`, path)
      : Buffer.from(`${this.directory}/files/${this.name(path, entry)}`, 'latin1');
  }

  /** Makes the directories of a new root, open for writing, and clears from an earlier tree what is not in the manifest. */
  prepareTree(manifest: Manifest): void {
    for (const path of [...manifest.directories.keys()].sort()) {
      const where = absolutePath(`${this.directory}/tree`, path);
      if (this.fresh) {
        if (path !== '') mkdirSync(where, { mode: 0o700 });
        continue;
      }
      if (look(where)?.isDirectory() === false) unlinkSync(where);
      if (look(where) === undefined) mkdirSync(where, { mode: 0o700 });
      else chmodSync(where, 0o700);
      const names = new Set(manifest.directories.get(path)?.entries.map((entry) => entry.name));
      for (const name of readdirSync(where, { encoding: 'buffer' })) {
        if (!names.has(name.toString('latin1')))
          rmSync(absolutePath(`${this.directory}/tree`, joinPath(path, name.toString('latin1'))), {
            recursive: true,
            force: true,
          });
      }
    }
  }

  /** Makes a staged hard link to `target` (absolute). */
  link(path: RootPath, entry: Entry, target: Buffer): void {
    const where = this.where(path, entry);
    if (look(where) !== undefined) rmSync(where, { recursive: true, force: true });
    linkSync(target, where);
  }

  /** Deletes everything staged. Blocking. */
  empty(): void {
    rmSync(Buffer.from(this.directory, 'latin1'), { recursive: true, force: true });
  }
}

function readText(path: Buffer): string | undefined {
  return look(path) === undefined ? undefined : readFileSync(path, 'utf8');
}

function bootId(): string | undefined {
  const path = Buffer.from('/proc/sys/kernel/random/boot_id');
  return look(path) === undefined ? undefined : readFileSync(path, 'utf8').trim();
}
