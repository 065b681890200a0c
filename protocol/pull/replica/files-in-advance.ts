/**
 * Files that come while their source is still being scanned: written below `ahead` in the stage, whole, and looked up there
 * once the manifest says what they are to be. Until then nothing of them is believed, and a session that does not know
 * what came hashes them like anything that an earlier pull left.
 */
import { existsSync, mkdirSync, statfsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, TowError } from '../../base/errors.ts';
import { absolutePath, type NativePath, parentOf, type RootPath } from '../../base/root-path.ts';
import { digestOf } from '../../chunk/digest.ts';
import { type ChunkList, chunkRecord, type Entry } from '../../chunk/entry.ts';
import { decodeFilePack, type PackedFile } from '../../chunk/file-pack.ts';
import { unpackBody } from '../../chunk/pack.ts';
import { limits } from '../../wire/limits.ts';
import { claimRoot } from './claim-root.ts';
import { resolveDestination } from './destination.ts';
import { explainDiskFull } from './disk-full.ts';
import { hasJournal } from './journal.ts';
import { type Made, type MadeFiles, type PackPlace, PromisedFiles } from './promised-files.ts';
import { removeStaged } from './remove-staged.ts';
import type { SessionOptions } from './session-options.ts';
import { aheadName, stageDirectory } from './stage-directory.ts';
import { writeWholeFile } from './staged-file.ts';
import { UnfinishedFile } from './unfinished-file.ts';

export type AdvanceOptions = Pick<SessionOptions, 'key' | 'stateDir' | 'dest' | 'rules'>;

/** How much is written before the room on the disk is looked at again, and the part of it that is left for the node's own work. */
const lookBytes = 32 << 20;
const leftFree = 0.1;
/** What a file or a directory takes besides its bytes, about: a block, and so an inode is counted too. */
const fileCosts = 4096;

/** Whether something was pulled to a root, or is about to be in place. Blocking. */
export function hadPull(stateDir: string): boolean {
  return existsSync(join(stateDir, 'ledger')) || hasJournal(stateDir);
}

interface CameFile extends Pick<Entry, 'mode' | 'mtimeSec' | 'mtimeNsec'> {
  readonly list: string;
}

export class FilesInAdvance {
  /** The stage; absolute, latin1. */
  readonly stage: string;
  readonly #made = new Set<RootPath>(['']);
  readonly #came = new Map<RootPath, CameFile>();
  readonly #unfinished = new Map<RootPath, UnfinishedFile>();
  readonly #promised = new PromisedFiles();
  #bytes = 0;
  #looked = 0;

  private constructor(stage: string) {
    this.stage = stage;
  }

  /** Undefined when the root has had a pull, or one began: what is there is worth more than what would come. Throws as a pull does that cannot have the destination. Blocking. */
  static begin({ key, stateDir, dest, rules }: AdvanceOptions): FilesInAdvance | undefined {
    if (hadPull(stateDir)) return undefined;
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const root = resolveDestination(dest, rules);
    const inHome = root.startsWith(`${rules.home}/`);
    claimRoot({ root, dest, kind: 'dir', ours: undefined, inHome, sudo: rules.reach === 'machine' });
    const stage = stageDirectory(Buffer.from(stateDir).toString('latin1'), root, key);
    for (const left of ['files', 'tree', aheadName])
      if (existsSync(Buffer.from(`${stage}/${left}`, 'latin1'))) return undefined;
    mkdirSync(Buffer.from(`${stage}/${aheadName}`, 'latin1'), { mode: 0o700 });
    return new FilesInAdvance(stage);
  }

  /** How many files came. */
  get count(): number {
    return this.#came.size;
  }

  /** Whether files were promised that are not made yet. */
  get promises(): boolean {
    return this.#promised.any;
  }

  /** Whether a file came as an entry says. */
  has(path: RootPath, entry: Entry): boolean {
    const came = this.#came.get(path);
    if (came === undefined) return false;
    const { mode, mtimeSec, mtimeNsec, content } = entry;
    return (
      came.mode === mode && came.mtimeSec === mtimeSec && came.mtimeNsec === mtimeNsec && came.list === keyOf(content)
    );
  }

  /**
   * Writes the files of one pack; returns their bytes. One that came before is replaced. Throws `no-space` long before the
   * disk is full, and `bad-message`; then all that came is gone, and the pull is as if there had been nothing. Blocking.
   */
  take(frame: Buffer): number {
    return this.#orDrop(() => this.#take(frame));
  }

  /** Makes some of the files that were promised, for some ms. Throws as `take`. Blocking. */
  makePromised(): MadeFiles {
    return this.#orDrop(() => this.#makePromised());
  }

  #orDrop<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.drop();
      throw explainDiskFull(error, this.stage);
    }
  }

  /** Nothing more comes. */
  end(): void {
    this.#promised.close();
  }

  /** Deletes what came. Blocking. */
  drop(): void {
    this.end();
    removeStaged(Buffer.from(`${this.stage}/${aheadName}`, 'latin1'));
    this.#came.clear();
    this.#unfinished.clear();
  }

  #take(frame: Buffer): number {
    const pack = decodeFilePack(frame, limits);
    if (this.#came.size + pack.files.length > limits.manifestEntries)
      throw new TowError('limit-exceeded', `more than ${limits.manifestEntries} files came before their manifest`);
    if (pack.codec === 'git') {
      this.#promised.add(pack);
      return 0;
    }
    const body = unpackBody(pack);
    this.#leaveRoom(body.length + fileCosts * pack.files.length);
    let from = 0;
    for (const file of pack.files) {
      const to = from + bytesOf(file);
      this.#promised.forget(file.path);
      this.#write(file, body.subarray(from, to));
      from = to;
    }
    return body.length;
  }

  #makePromised(): MadeFiles {
    let made = 0;
    const onMade = ({ file, bytes }: Made): void => {
      // No object, or another one than the source took it for: the pull asks for the file.
      if (bytes?.length !== bytesOf(file)) return;
      this.#leaveRoom(bytes.length + fileCosts);
      this.#write(file, bytes);
      made += bytes.length;
    };
    const more = this.#promised.take((pack) => this.#placeOf(pack), onMade);
    return { bytes: made, more };
  }

  #placeOf(path: RootPath): PackPlace | undefined {
    const available = this.#unfinished.get(path)?.prefix;
    if (available === undefined && !this.#came.has(path)) return undefined;
    return { where: absolutePath(`${this.stage}/${aheadName}`, path), available };
  }

  #write(file: PackedFile, bytes: Buffer): void {
    const content = listOf(file, bytes);
    const where = absolutePath(`${this.stage}/${aheadName}`, file.path);
    const whole = bytes.length === 0 || (file.offset === 0 && file.rest === 0);
    try {
      this.#makeDirectory(parentOf(file.path));
      if (this.#came.delete(file.path)) unlinkSync(where);
      if (!whole) this.#writePiece(where, file, bytes, content);
      else {
        if (this.#unfinished.delete(file.path)) unlinkSync(where);
        writeWholeFile(where, bytes, file);
        this.#arrived(file, content);
      }
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EEXIST' || errno === 'ENOTDIR' || errno === 'EISDIR' || errno === 'EPERM')
        throw new TowError('bad-message', 'a file pack with a path that is a file and a directory', { cause: error });
      throw error;
    }
  }

  #writePiece(where: NativePath, file: PackedFile, bytes: Buffer, content: ChunkList): void {
    const size = file.offset + bytes.length + file.rest;
    let unfinished = this.#unfinished.get(file.path);
    if (unfinished?.isOf(file, size) === false) {
      unlinkSync(where);
      unfinished = undefined;
    }
    unfinished ??= new UnfinishedFile(file, size);
    this.#unfinished.set(file.path, unfinished);
    const list = unfinished.write(where, file.offset, bytes, content);
    if (list === undefined) return;
    this.#unfinished.delete(file.path);
    this.#arrived(file, list);
  }

  #arrived({ path, mode, mtimeSec, mtimeNsec }: PackedFile, list: ChunkList): void {
    this.#came.set(path, { mode, mtimeSec, mtimeNsec, list: keyOf(list) });
  }

  #makeDirectory(path: RootPath): void {
    if (this.#made.has(path)) return;
    this.#makeDirectory(parentOf(path));
    mkdirSync(absolutePath(`${this.stage}/${aheadName}`, path), { mode: 0o700 });
    this.#made.add(path);
    this.#bytes += fileCosts;
  }

  #leaveRoom(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#looked) return;
    this.#looked = this.#bytes + lookBytes;
    const { bavail, blocks, files, ffree } = statfsSync(Buffer.from(this.stage, 'latin1'));
    if (bavail < blocks * leftFree || (files > 0 && ffree < files * leftFree))
      throw new TowError('no-space', 'the disk is too full for files that nobody has counted yet');
  }
}

function bytesOf({ lengths }: PackedFile): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}

function listOf({ lengths }: PackedFile, bytes: Buffer): ChunkList {
  let list = '';
  let from = 0;
  for (const length of lengths) {
    list += chunkRecord(digestOf(bytes.subarray(from, from + length)), length);
    from += length;
  }
  return list;
}

/** From this many characters on a chunk list is known by its digest: large files have long ones. */
const longList = 1024;

function keyOf(list: ChunkList): string {
  return list.length < longList ? list : digestOf(list);
}
