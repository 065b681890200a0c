/** The index of one bucket in memory, and its growth on the disk. What is recorded when: docs/decisions/0006. */
import { open, rename, rm } from 'node:fs/promises';
import { Turns } from '../../../protocol/base/turns.ts';
import type { ByteKey } from './bucket-key.ts';
import type { EntryMap } from './entry-map.ts';
import { framesOf, IndexJournal } from './index-journal.ts';
import { checkpointName, indexFiles, journalName, type LoadedIndex, loadIndex } from './index-load.ts';
import { encodeRecord, type IndexEntry, packEntry, packedPlace } from './index-record.ts';
import { SortedKeys } from './sorted-keys.ts';
import { SortedRuns } from './sorted-runs.ts';
import { syncDirectories } from './sync-directory.ts';

/** Journals are replaced by a checkpoint when they are longer than this, and than half of it. */
const smallJournalBytes = 1 << 20;
const manyJournals = 16;
const entriesAtOnce = 256;

export class BucketIndex {
  readonly #directory: string;
  readonly #entries: EntryMap;
  /** What is about to be put in its place, or was just now. */
  readonly #placing = new Map<ByteKey, IndexEntry>();
  readonly #odd: SortedKeys;
  readonly #journal: IndexJournal;
  #number: number;
  /** Of all journals but the one that is written. */
  #journalBytes: number;
  #journals: number;
  #checkpointBytes: number;
  /** A checkpoint that failed is tried again when the journals are longer than this. */
  #patientUntil = 0;

  private constructor(directory: string, loaded: LoadedIndex, odd: SortedKeys, journal: IndexJournal) {
    this.#directory = directory;
    this.#entries = loaded.entries;
    this.#odd = odd;
    this.#journal = journal;
    this.#number = loaded.last + 1;
    this.#journalBytes = loaded.journalBytes;
    this.#journals = loaded.journals + 1;
    this.#checkpointBytes = loaded.checkpointBytes;
  }

  /** `beforeSync` is called before records are made durable that say what it makes durable. */
  static async open(
    directory: string,
    beforeSync: () => Promise<void>,
  ): Promise<{ readonly index: BucketIndex; readonly loaded: LoadedIndex }> {
    const loaded = await loadIndex(directory);
    const odd = await oddKeys(loaded);
    const file = await newJournal(directory, loaded.last + 1);
    return { index: new BucketIndex(directory, loaded, odd, new IndexJournal(file, beforeSync)), loaded };
  }

  /** What the index says of a key; whether it is so, the file's print tells. */
  get(key: ByteKey): IndexEntry | undefined {
    return this.#entries.get(key);
  }

  /** While a file is put in its place: what it is then. */
  placing(key: ByteKey): IndexEntry | undefined {
    return this.#placing.get(key);
  }

  /** Keys of which the index says that they lie in `odd/`. */
  get odd(): SortedKeys {
    return this.#odd;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Durably: the staged file of `entry` will be in its place. Then: `placed`. */
  async write(entry: IndexEntry, before: string): Promise<void> {
    await this.#journal.append({ type: 'write', entry, before });
    this.#placing.set(entry.key, entry);
  }

  placed(entry: IndexEntry): void {
    this.#placing.delete(entry.key);
    this.#entries.set(entry);
    if (isOdd(entry)) this.#odd.add(entry.key);
    else this.#odd.delete(entry.key);
  }

  /** It was not put in its place, and will not be. */
  notPlaced(key: ByteKey): void {
    this.#placing.delete(key);
    this.#backTo(key);
  }

  /** Durably: what the key has will be removed. Then: `removed`. */
  async remove(key: ByteKey, before: string): Promise<void> {
    await this.#journal.append({ type: 'remove', key, before });
  }

  removed(key: ByteKey): void {
    this.#entries.delete(key);
    this.#odd.delete(key);
  }

  notRemoved(key: ByteKey): void {
    this.#backTo(key);
  }

  /** These versions of keys ('' for removed) are so on the disk; those that were followed by others since say nothing. */
  async settled(done: ReadonlyMap<ByteKey, string>): Promise<void> {
    const turns = new Turns();
    for (const [key, version] of done) {
      if (turns.over) await turns.next();
      const entry = this.#entries.get(key);
      if ((entry?.version ?? '') !== version) continue;
      this.#journal.note({ type: 'settled', key, version, print: entry?.print ?? '' });
    }
  }

  /** After a crash it was found out how the key stands: on the disk, with everything before it. */
  resolve(key: ByteKey, entry: IndexEntry | undefined): void {
    if (entry === undefined) this.removed(key);
    else this.placed(entry);
    this.#journal.note(
      entry === undefined ? { type: 'forget', key } : { type: 'entry', key, packed: packEntry(entry) },
    );
  }

  get wantsCheckpoint(): boolean {
    const bytes = this.#journalBytes + this.#journal.length;
    const long = bytes > Math.max(smallJournalBytes, this.#checkpointBytes / 2);
    return bytes >= this.#patientUntil && (long || this.#journals > manyJournals);
  }

  /**
   * Writes all entries to one file and lets go of the journals before. Writes go on meanwhile. When `settle` resolves, all
   * that had been recorded when it was called is in its place, durably. `before` is called before each step.
   */
  async checkpoint(settle: () => Promise<void>, before: (step: CheckpointStep) => Promise<void>): Promise<void> {
    this.#patientUntil = this.#journalBytes + this.#journal.length + smallJournalBytes;
    const number = this.#number + 1;
    await before('rotate');
    const file = await newJournal(this.#directory, number);
    this.#journalBytes += this.#journal.length;
    await this.#journal.rotate(file);
    this.#number = number;
    this.#journals += 1;
    const older = this.#journalBytes;
    await settle();
    await before('checkpoint');
    const path = `${this.#directory}/${checkpointName(number)}`;
    const temp = `${path}.new`;
    this.#checkpointBytes = await this.#writeAll(temp);
    await before('publish');
    await rename(temp, path);
    await syncDirectories([this.#directory]);
    this.#journalBytes -= older;
    [this.#journals, this.#patientUntil] = [1, 0];
    await before('drop');
    const { checkpoints, journals } = await indexFiles(this.#directory);
    for (const old of journals) if (old < number) await rm(`${this.#directory}/${journalName(old)}`, { force: true });
    for (const old of checkpoints)
      if (old < number) await rm(`${this.#directory}/${checkpointName(old)}`, { force: true });
  }

  async close(): Promise<void> {
    await this.#journal.close();
  }

  /** The records say that what was begun was not done. They may get lost: then the files tell. */
  #backTo(key: ByteKey): void {
    const entry = this.#entries.get(key);
    this.#journal.note(entry === undefined ? { type: 'forget', key } : { type: 'write', entry, before: '' });
  }

  async #writeAll(path: string): Promise<number> {
    const turns = new Turns();
    const file = await open(path, 'w', 0o600);
    let bytes = 0;
    try {
      let records: Buffer[] = [];
      const flush = async (): Promise<void> => {
        const frames = Buffer.concat(framesOf(records));
        records = [];
        bytes += frames.length;
        await file.writeFile(frames);
      };
      // It goes on changing: what is newer than this file's number is in the journal of that number too.
      for (const [key, packed] of this.#entries.packed()) {
        records.push(encodeRecord({ type: 'entry', key, packed }));
        if (records.length >= entriesAtOnce) await flush();
        if (turns.over) await turns.next();
      }
      await flush();
      await file.sync();
    } finally {
      await file.close();
    }
    return bytes;
  }
}

export type CheckpointStep = 'rotate' | 'checkpoint' | 'publish' | 'drop';

function isOdd({ place }: IndexEntry): boolean {
  return place === 'odd';
}

async function oddKeys({ entries }: LoadedIndex): Promise<SortedKeys> {
  const turns = new Turns();
  const runs = new SortedRuns();
  for (const [key, packed] of entries.packed()) {
    if (packedPlace(packed) === 'odd') runs.add(key);
    if (turns.over) await turns.next();
  }
  return new SortedKeys(await runs.merged(turns));
}

async function newJournal(directory: string, number: number) {
  const file = await open(`${directory}/${journalName(number)}`, 'w', 0o600);
  try {
    await syncDirectories([directory]);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
