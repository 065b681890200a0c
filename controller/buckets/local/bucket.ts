/** One bucket that is open: how its objects are found, put in place and removed. See docs/decisions/0006. */
import { randomBytes } from 'node:crypto';
import { rename, rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import { printIdentity, printOf } from '../../../protocol/pull/replica/print.ts';
import type { WriteOptions } from '../../../protocol/store/object-store.ts';
import type { BucketFiles } from './bucket-files.ts';
import { BucketIndex, type CheckpointStep } from './bucket-index.ts';
import { type ByteKey, keyOf } from './bucket-key.ts';
import type { IndexEntry, Place } from './index-record.ts';
import { KeyLocks } from './key-locks.ts';
import { ObjectLookup } from './object-lookup.ts';
import { prepare, prune, statOf } from './plain-place.ts';
import { recover } from './recover.ts';
import { Settler } from './settler.ts';
import { SharedRun } from './shared-run.ts';
import { discard, type StagedFile } from './staged-file.ts';
import { syncDirectories } from './sync-directory.ts';

/** Where a test may stop a bucket, as a crash would: before each. */
export type BucketStep = 'record' | 'place' | 'replace' | 'unlink' | 'settle' | CheckpointStep;
export type BeforeStep = (step: BucketStep) => Promise<void>;

type Condition = WriteOptions['condition'];
export type NewEntry = Pick<IndexEntry, 'contentType' | 'metadata'>;

/** How often room is made again for a file that a user takes meanwhile. */
const patience = 8;

export class Bucket {
  readonly files: BucketFiles;
  readonly index: BucketIndex;
  readonly #lookup: ObjectLookup;
  readonly #before: BeforeStep;
  readonly #locks = new KeyLocks();
  readonly #settler: Settler;
  readonly #checkpoint = new SharedRun(async () => await this.#writeCheckpoint());
  /** Writes and removals between their record and its being true. */
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  private constructor(files: BucketFiles, index: BucketIndex, before: BeforeStep) {
    this.files = files;
    this.index = index;
    this.#lookup = new ObjectLookup(files, index);
    this.#before = before;
    this.#settler = new Settler(async (done) => {
      await before('settle');
      await index.settled(done);
    });
  }

  /** Finishes or undoes what a crash interrupted. `log` has a line for what is damaged. */
  static async open(files: BucketFiles, log: (line: string) => void, before: BeforeStep): Promise<Bucket> {
    const syncTemps = new SharedRun(async () => await syncDirectories([files.tmp]));
    const { index, loaded } = await BucketIndex.open(files.index, async () => await syncTemps.run());
    await recover(files, index, loaded, log);
    const bucket = new Bucket(files, index, before);
    if (index.wantsCheckpoint) await bucket.#checkpoint.run();
    return bucket;
  }

  /** The object as it is now, user's edits seen; undefined when there is none. */
  async look(key: ByteKey): Promise<IndexEntry | undefined> {
    return await this.#adopted(key, await this.#lookup.look(key));
  }

  /** The object whose file is at a path, which has only directories above; undefined if there is no file. */
  async lookAt(key: ByteKey, place: Place): Promise<IndexEntry | undefined> {
    return await this.#adopted(key, await this.#lookup.at(key, place));
  }

  /** Puts a staged file in the key's place, durably, or removes it. Once that has begun, `signal` means nothing. */
  async write(
    key: ByteKey,
    staged: StagedFile,
    made: NewEntry,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<IndexEntry> {
    const put = async (): Promise<IndexEntry> => {
      this.#mustBeOpen();
      const now = await this.#lookup.look(key);
      checkCondition(key, now, condition);
      const entry: IndexEntry = {
        ...made,
        key,
        place: 'files',
        version: newVersion(),
        size: staged.size,
        modifiedMs: Date.now(),
        md5: staged.md5,
        temp: staged.name,
        print: staged.print,
      };
      return await this.#track(this.#place(entry, now));
    };
    try {
      return await this.#locks.run(key, put, signal);
    } catch (error) {
      await discard(this.files, staged);
      throw error;
    }
  }

  /** The same bytes with another type and metadata, as a new version. */
  async describe(
    key: ByteKey,
    made: NewEntry | undefined,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<IndexEntry | undefined> {
    return await this.#locks.run(
      key,
      async () => {
        this.#mustBeOpen();
        const now = await this.#lookup.look(key);
        if (now === undefined) return undefined;
        checkCondition(key, now, condition);
        const entry = { ...now, ...made, version: newVersion(), modifiedMs: Date.now() };
        return await this.#track(this.#record(entry, now));
      },
      signal,
    );
  }

  async remove(key: ByteKey, signal: AbortSignal): Promise<void> {
    await this.#locks.run(
      key,
      async () => {
        this.#mustBeOpen();
        const now = await this.#lookup.look(key);
        if (now !== undefined) await this.#track(this.#remove(now));
      },
      signal,
    );
  }

  /** All that was done is on the disk, and nothing is done any more. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    await this.#checkpoint.idle();
    await this.#settler.close();
    await this.index.close();
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new TowError('bucket-missing', 'the bucket was closed');
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
      if (this.index.wantsCheckpoint && !this.#closed) this.#checkpoint.start();
    }
  }

  async #writeCheckpoint(): Promise<void> {
    const settle = async (): Promise<void> => {
      await Promise.allSettled(this.#underWay);
      await this.#settler.settle();
    };
    await this.index.checkpoint(settle, this.#before);
  }

  /** A file that the user made where an object's key had had no room takes that object's place for good. */
  async #adopted(key: ByteKey, state: IndexEntry | undefined): Promise<IndexEntry | undefined> {
    if (state?.place !== 'files' || this.index.get(key)?.place !== 'odd' || this.#closed) return state;
    const adopt = async (): Promise<void> => {
      const now = await this.#lookup.look(key);
      if (now?.place !== 'files' || this.index.get(key)?.place !== 'odd') return;
      await this.#record(now, now);
      await rm(this.files.oddPath(key), { force: true });
    };
    await this.#track(this.#locks.run(key, adopt, new AbortController().signal)).catch(() => undefined);
    return state;
  }

  async #place(entry: IndexEntry, now: IndexEntry | undefined): Promise<IndexEntry> {
    const plain = this.files.plainPath(entry.key);
    const placed =
      (plain === undefined ? undefined : await this.#placePlain(plain, entry, now)) ??
      (await this.#placeAt(this.files.oddPath(entry.key), { ...entry, place: 'odd' }, now));
    if (placed === undefined) throw new TowError('store-failed', `${keyOf(entry.key)} cannot be put in its place`);
    return placed;
  }

  /** Undefined when there is no room in `files/`. */
  async #placePlain(path: string, entry: IndexEntry, now: IndexEntry | undefined): Promise<IndexEntry | undefined> {
    for (let tries = 0; tries < patience; tries += 1) {
      const touched = await prepare(this.files, path);
      if (touched === false) return undefined;
      this.#settler.touched(touched);
      const placed = await this.#placeAt(path, { ...entry, place: 'files' }, now);
      if (placed !== undefined) return placed;
    }
    return undefined;
  }

  /** Undefined when something is in the way at the path. */
  async #placeAt(path: string, entry: IndexEntry, now: IndexEntry | undefined): Promise<IndexEntry | undefined> {
    const { key } = entry;
    await this.#before('record');
    await this.index.write(entry, now?.place === entry.place ? printIdentity(now.print) : '');
    try {
      await this.#before('place');
      await rename(`${this.files.tmp}/${entry.temp}`, path);
    } catch (error) {
      this.index.notPlaced(key);
      const errno = errnoOf(error) ?? '';
      if (['EISDIR', 'ENOTDIR', 'ENOENT', 'EEXIST', 'ENOTEMPTY', 'ENAMETOOLONG'].includes(errno)) return undefined;
      throw error;
    }
    const stats = await statOf(path);
    // What the user makes of it in this moment is the user's.
    const same = stats !== undefined && printIdentity(printOf(stats)) === printIdentity(entry.print);
    const placed = same ? { ...entry, print: printOf(stats) } : entry;
    this.index.placed(placed);
    await this.#before('replace');
    if (now?.place === 'odd' && entry.place === 'files') await rm(this.files.oddPath(key), { force: true });
    this.#settler.add(key, placed.version, [dirname(path), ...(now?.place === 'odd' ? [this.files.odd] : [])]);
    return placed;
  }

  async #record(entry: IndexEntry, now: IndexEntry): Promise<IndexEntry> {
    await this.#before('record');
    await this.index.write(entry, printIdentity(now.print));
    this.index.placed(entry);
    this.#settler.add(entry.key, entry.version, []);
    return entry;
  }

  async #remove(now: IndexEntry): Promise<void> {
    const { key, place } = now;
    const path = this.files.pathOf(place, key);
    await this.#before('record');
    await this.index.remove(key, place === 'files' ? printIdentity(now.print) : '');
    try {
      await this.#before('unlink');
      await unlink(path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') {
        this.index.notRemoved(key);
        throw error;
      }
    }
    this.index.removed(key);
    this.#settler.add(key, '', place === 'files' ? await prune(this.files, path) : [this.files.odd]);
  }
}

function newVersion(): string {
  return randomBytes(12).toString('hex');
}

function checkCondition(key: ByteKey, now: IndexEntry | undefined, condition: Condition): void {
  if (condition === undefined) return;
  if (condition.type === 'absent') {
    if (now === undefined) return;
    throw new TowError('object-changed', `${keyOf(key)} is there already`);
  }
  if (now?.version !== condition.version)
    throw new TowError('object-changed', `${keyOf(key)} is ${now === undefined ? 'gone' : 'another version by now'}`);
}
