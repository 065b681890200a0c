/**
 * The last scan of a source, on disk, so that a daemon that starts anew hashes nothing again.
 *
 * A file of framed records: length (u32), SHA-256, payload. The first says which format and root; each later one has what
 * the last look at all of it went by, of which the last counts, or some directories, of which a later mention replaces an earlier one (none are ever taken out: a directory that is gone
 * is just not asked for, and the next compaction forgets it). Every record is true by itself, because a listing's record
 * is only trusted while the file system says the same: so a torn or lost tail costs hashing, nothing else. A damaged
 * record ends the reading there. Whoever can write this file can already write the user's files.
 *
 * A daemon that starts waits for it: listings are taken as they lie in the payload, digests and counts of directories are
 * stored beside them, and entries are made of them only where something changed.
 */

import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { ByteReader } from '../../base/byte-reader.ts';
import { ByteWriter } from '../../base/byte-writer.ts';
import { errnoOf } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import { digestBytes, digestOf } from '../../chunk/digest.ts';
import type { Entry } from '../../chunk/entry.ts';
import { storedDirectory, summaryOf } from '../../chunk/manifest.ts';
import { readSummary, writeSummary } from '../../chunk/summary-codec.ts';
import { type LastLook, lastLookSchema } from './last-look.ts';
import { Listing } from './listing.ts';
import { entryOf, type FileContent, type ScannedDirectory } from './scanned-directory.ts';

const format = 'towline scan index';
const magic = `${format} 3`;
const frameBytes = 4 + digestBytes;
/** Payloads are filled to about this. */
const payloadBytes = 512 << 10;
/** The file may grow to twice what it was when written anew, plus this. */
const slackBytes = 1 << 20;

export interface LoadedIndex {
  readonly directories: Map<RootPath, ScannedDirectory>;
  readonly look: LastLook | undefined;
  /** Something in it could not be read; a tail cut off by a crash does not count. */
  readonly damaged: boolean;
}

/** The first byte of a payload. */
const payloadKind = { directories: 0, look: 1 } as const;

const fileKinds = ['gone', 'file', 'hardlink', 'unknown'] as const;

export class ScanIndex {
  readonly #path: string;
  readonly #root: string;
  /** Where the next record goes; 0 when the file must be written anew. */
  #end = 0;
  #compactBytes = 0;
  #look: LastLook | undefined;
  /** The one that the file has. */
  #written: LastLook | undefined;

  /** `path` is UTF-16, `root` names the source. One `ScanIndex` a file at a time. */
  constructor(path: string, root: string) {
    this.#path = path;
    this.#root = root;
  }

  /** Reads what there is. Never rejects for what the file holds, only when it cannot be read at all. */
  async load(): Promise<LoadedIndex> {
    const directories = new Map<RootPath, ScannedDirectory>();
    let file: FileHandle;
    try {
      file = await open(this.#path, 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return { directories, look: undefined, damaged: false };
      throw error;
    }
    try {
      const damaged = await this.#read(file, directories);
      if (damaged) this.#look = undefined;
      return { directories, look: this.#look, damaged };
    } finally {
      await file.close();
    }
  }

  /** Adds `renewed`, or writes everything in `all` when the file is damaged, missing or has grown long. */
  async save(renewed: readonly ScannedDirectory[], all: ReadonlyMap<RootPath, ScannedDirectory>): Promise<void> {
    if (this.#end > 0 && this.#end <= 2 * this.#compactBytes + slackBytes) {
      const file = await open(this.#path, 'r+');
      try {
        await file.truncate(this.#end);
        // One that does not hold any more must not be there with what came after it.
        if (this.#look === undefined) await this.#writeLook(file);
        await this.#write(file, renewed);
        await this.#writeLook(file);
      } catch (error) {
        // What could not be added is not told again: all of it is written anew next time.
        this.#end = 0;
        throw error;
      } finally {
        await file.close();
      }
      return;
    }
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const temp = `${this.#path}.new`;
    const file = await open(temp, 'w', 0o600);
    try {
      this.#end = 0;
      this.#written = undefined;
      await this.#append(file, Buffer.from(`${magic}\n${this.#root}`, 'latin1'));
      await this.#write(file, all.values());
      await this.#writeLook(file);
    } catch (error) {
      this.#end = 0;
      throw error;
    } finally {
      await file.close();
    }
    await rename(temp, this.#path);
    this.#compactBytes = this.#end;
  }

  /** Adds what a look went by, or that none holds any more. It stands by what was saved before. */
  async saveLook(look: LastLook | undefined, all: ReadonlyMap<RootPath, ScannedDirectory>): Promise<void> {
    if (isDeepStrictEqual(look, this.#look)) return;
    this.#look = look;
    await this.save([], all);
  }

  async #read(file: FileHandle, directories: Map<RootPath, ScannedDirectory>): Promise<boolean> {
    const { size } = await file.stat();
    const turns = new Turns();
    let at = 0;
    let head = await readAt(file, at, frameBytes);
    while (at < size) {
      const length = head?.readUInt32LE(0) ?? 0;
      const next = at + frameBytes + length;
      // With the head of the next record, so that each costs one read.
      const bytes =
        next > size
          ? undefined
          : await readAt(file, at + frameBytes, Math.min(length + frameBytes, size - at - frameBytes));
      const payload = bytes?.subarray(0, length);
      if (head === undefined || payload === undefined) {
        this.#end = at;
        return false;
      }
      if (at === 0 && isOther(payload)) return false;
      if (
        digestOf(payload) !== head.toString('latin1', 4) ||
        !(await this.#takePayload(payload, at === 0, directories, turns))
      ) {
        this.#end = 0;
        return true;
      }
      head = bytes?.length === length + frameBytes ? bytes.subarray(length) : undefined;
      at = next;
    }
    this.#end = at;
    this.#compactBytes = at;
    return false;
  }

  async #takePayload(
    payload: Buffer,
    first: boolean,
    directories: Map<RootPath, ScannedDirectory>,
    turns: Turns,
  ): Promise<boolean> {
    const text = first ? payload.toString('latin1') : '';
    if (first) return text === `${magic}\n${this.#root}`;
    try {
      const reader = new ByteReader(payload);
      if (reader.u8() === payloadKind.look) {
        this.#look = v.parse(v.nullable(lastLookSchema), JSON.parse(payload.toString('utf8', 1))) ?? undefined;
        this.#written = this.#look;
        return true;
      }
      while (!reader.done) {
        const directory = readDirectory(reader);
        directories.set(directory.path, directory);
        if (turns.over) await turns.next();
      }
      return true;
    } catch {
      // Whole by its checksum and still not readable: written by a build with a bug. Hash again.
      return false;
    }
  }

  async #write(file: FileHandle, directories: Iterable<ScannedDirectory>): Promise<void> {
    const turns = new Turns();
    let writer = new ByteWriter();
    for (const directory of directories) {
      if (writer.length === 0) writer.u8(payloadKind.directories);
      writeDirectory(writer, directory);
      if (writer.length >= payloadBytes) {
        await this.#append(file, writer.bytes());
        writer = new ByteWriter();
      }
      if (turns.over) await turns.next();
    }
    if (writer.length > 0) await this.#append(file, writer.bytes());
  }

  async #writeLook(file: FileHandle): Promise<void> {
    if (this.#look === this.#written) return;
    const text = Buffer.from(JSON.stringify(this.#look ?? null));
    await this.#append(file, Buffer.concat([Buffer.of(payloadKind.look), text]));
    this.#written = this.#look;
  }

  async #append(file: FileHandle, payload: Buffer): Promise<void> {
    const head = Buffer.alloc(frameBytes);
    head.writeUInt32LE(payload.length, 0);
    head.write(digestOf(payload), 4, 'latin1');
    const { bytesWritten } = await file.writev([head, payload], this.#end);
    if (bytesWritten !== frameBytes + payload.length)
      throw new Error(`only ${bytesWritten} bytes of the index were written`);
    this.#end += bytesWritten;
  }
}

/** Whether it begins an index of another version. */
function isOther(payload: Buffer): boolean {
  const text = payload.toString('latin1', 0, magic.length + 1);
  return text.startsWith(format) && text !== `${magic}\n`;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer | undefined> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return bytesRead === length ? buffer : undefined;
}

function writeDirectory(writer: ByteWriter, { path, listing, directory }: ScannedDirectory): void {
  writer.text(path);
  writer.blob(listing.bytes);
  writeSummary(writer, summaryOf(directory));
  const contents = new ByteWriter();
  let entryAt = 0;
  let at = 0;
  for (const { name } of listing.texts()) {
    const entry = directory.entries[entryAt];
    const there = entry?.name === name;
    if (listing.kind(at) === 'file') {
      const kind =
        there && (entry.kind === 'file' || entry.kind === 'hardlink' || entry.kind === 'unknown') ? entry.kind : 'gone';
      contents.u8(fileKinds.indexOf(kind));
      contents.text(there ? entry.content : '');
    }
    if (there) entryAt += 1;
    at += 1;
  }
  writer.blob(contents.bytes());
}

function readDirectory(reader: ByteReader): ScannedDirectory {
  const path = reader.text();
  const listing = new Listing(reader.blob());
  listing.check();
  const summary = readSummary(reader);
  const contents = reader.blob();
  return { path, listing, directory: storedDirectory(path, summary, () => readEntries(listing, contents)) };
}

function readEntries(listing: Listing, contents: Buffer): Entry[] {
  const reader = new ByteReader(contents);
  const entries: Entry[] = [];
  let at = 0;
  for (const { name, text } of listing.texts()) {
    const file = listing.kind(at) === 'file' ? readFileContent(reader) : undefined;
    if (file !== 'gone') entries.push(entryOf(listing, at, name, text, file));
    at += 1;
  }
  return entries;
}

function readFileContent(reader: ByteReader): FileContent | 'gone' {
  const kind = fileKinds[reader.u8()] ?? 'unknown';
  const content = reader.text();
  if (kind === 'gone') return kind;
  return kind === 'unknown' ? { kind, content: '' } : { kind, content };
}
