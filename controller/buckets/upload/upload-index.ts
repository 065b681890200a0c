/**
 * What was uploaded to a bucket, and what the files were like then: `storages/NAME.index`. It saves reading files and says
 * which objects are Towline's. Both ends are compared with it before it is believed, so a lost line costs time, no data.
 * What is about to be written is said first: an upload that is killed then leaves no object that nobody claims.
 *
 * A line an object, the later one counts: JSON `[key, kind, size, mtime, ctime, ino, mode, md5, version, ours, source]`,
 * `ours` is 2 and the version '' for one that is about to be written; `[key]` for one that is gone. Appended to while an upload goes on, written anew when half of it is of no use. Blocking.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { errnoOf } from '../../../protocol/base/errors.ts';
import { replaceFile, writeAll } from '../../../protocol/pull/replica/durable-file.ts';

export interface IndexEntry {
  readonly kind: 'file' | 'dir' | 'symlink';
  readonly size: number;
  readonly mtimeNs: bigint;
  /** -1 when the file was too young when it was read for this to prove anything. */
  readonly ctimeNs: bigint;
  readonly ino: bigint;
  readonly mode: number;
  readonly md5: string;
  readonly version: string;
  /** Whether the object of that version is one that Towline wrote. */
  readonly ours: boolean;
  /** Digest of the source it came from. */
  readonly source: string;
}

const format = 'towline upload index 1';
const flushLines = 64;
const kinds = ['file', 'dir', 'symlink'] as const;

/** What an object will say of its file. */
export type Intent = Omit<IndexEntry, 'md5' | 'version' | 'ours'>;

export class UploadIndex {
  readonly #path: string;
  readonly #place: string;
  readonly #entries: Map<string, IndexEntry>;
  readonly #intents: Map<string, Intent[]>;
  #pending: string[] = [];
  #fd: number | undefined;

  private constructor(path: string, place: string, loaded: Loaded) {
    this.#path = path;
    this.#place = place;
    this.#entries = loaded.entries;
    this.#intents = loaded.intents;
  }

  /** An index of another place, or one that is damaged, is as good as none. */
  static open(path: string, place: string): UploadIndex {
    const loaded = load(path, place);
    const index = new UploadIndex(path, place, loaded);
    if (!loaded.whole || loaded.lines > 2 * loaded.entries.size + flushLines) index.#rewrite();
    return index;
  }

  get size(): number {
    return this.#entries.size;
  }

  [Symbol.iterator](): IterableIterator<[string, IndexEntry]> {
    return this.#entries.entries();
  }

  get(key: string): IndexEntry | undefined {
    return this.#entries.get(key);
  }

  set(key: string, entry: IndexEntry): void {
    this.#entries.set(key, entry);
    this.#intents.delete(key);
    this.#append(lineOf(key, entry));
  }

  /** What was to be written to the key since the last `set`, and may have been. */
  intended(key: string): readonly Intent[] {
    return this.#intents.get(key) ?? [];
  }

  /** Said before the object is written; a kill of this process loses nothing of it. */
  intend(key: string, intent: Intent): void {
    this.#intents.set(key, [...this.intended(key), intent]);
    this.#append(intentLine(key, intent));
    this.#flush();
  }

  delete(key: string): void {
    this.#intents.delete(key);
    if (this.#entries.delete(key)) this.#append(`${JSON.stringify([key])}\n`);
  }

  /** What was said so far is on the disk. The index can be used on. */
  sync(): void {
    this.#flush();
    if (this.#fd !== undefined) fsyncSync(this.#fd);
  }

  close(): void {
    this.sync();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #append(line: string): void {
    this.#pending.push(line);
    if (this.#pending.length >= flushLines) this.#flush();
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    this.#fd ??= openSync(this.#path, 'a', 0o600);
    writeAll(this.#fd, Buffer.from(this.#pending.join('')));
    this.#pending = [];
  }

  #rewrite(): void {
    const lines = [`${JSON.stringify([format, this.#place])}\n`];
    for (const [key, entry] of this.#entries) lines.push(lineOf(key, entry));
    for (const [key, intents] of this.#intents) for (const intent of intents) lines.push(intentLine(key, intent));
    replaceFile(this.#path, [Buffer.from(lines.join(''))]);
  }
}

export function sourceDigest(root: string): string {
  return createHash('sha256').update(root, 'latin1').digest('hex').slice(0, 12);
}

interface Loaded {
  readonly entries: Map<string, IndexEntry>;
  readonly intents: Map<string, Intent[]>;
  readonly lines: number;
  /** Whether it is there, of this place, and every line could be read. */
  readonly whole: boolean;
}

function load(path: string, place: string): Loaded {
  const entries = new Map<string, IndexEntry>();
  const intents = new Map<string, Intent[]>();
  const [head = '', ...rest] = (readIfThere(path) ?? '').split('\n');
  if (head !== JSON.stringify([format, place])) return { entries, intents, lines: 0, whole: false };
  // After the last newline there is nothing, or what a crash left of a line.
  let whole = rest.pop() === '';
  for (const line of rest) {
    const read = parseLine(line);
    if (read === undefined) {
      whole = false;
      continue;
    }
    const { key, entry, isIntent } = read;
    if (isIntent && entry !== undefined) {
      intents.set(key, [...(intents.get(key) ?? []), entry]);
      continue;
    }
    intents.delete(key);
    if (entry === undefined) entries.delete(key);
    else entries.set(key, entry);
  }
  return { entries, intents, lines: rest.length, whole };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function lineOf(key: string, entry: IndexEntry): string {
  return line(key, entry, entry.ours ? 1 : 0);
}

function intentLine(key: string, intent: Intent): string {
  return line(key, { ...intent, md5: '', version: '' }, 2);
}

function line(key: string, entry: Omit<IndexEntry, 'ours'>, ours: number): string {
  const { kind, size, mtimeNs, ctimeNs, ino, mode, md5, version, source } = entry;
  const stamps = [String(mtimeNs), String(ctimeNs), String(ino)];
  return `${JSON.stringify([key, kinds.indexOf(kind), size, ...stamps, mode, md5, version, ours, source])}\n`;
}

/** Undefined for what is no line of an index. */
function parseLine(
  line: string,
): { readonly key: string; readonly entry: IndexEntry | undefined; readonly isIntent: boolean } | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [key, kindAt, size, mtime, ctime, ino, mode, md5, version, ours, source]: unknown[] = fields;
  if (typeof key !== 'string') return undefined;
  if (fields.length === 1) return { key, entry: undefined, isIntent: false };
  const kind = typeof kindAt === 'number' ? kinds[kindAt] : undefined;
  const stamps = [mtime, ctime, ino].map((text) =>
    typeof text === 'string' && /^-?\d+$/.test(text) ? BigInt(text) : 0n,
  );
  const [mtimeNs = 0n, ctimeNs = 0n, inode = 0n] = stamps;
  if (kind === undefined || typeof size !== 'number' || typeof mode !== 'number') return undefined;
  if (typeof md5 !== 'string' || typeof version !== 'string' || typeof source !== 'string') return undefined;
  const entry = { kind, size, mtimeNs, ctimeNs, ino: inode, mode, md5, version, ours: ours === 1, source };
  return { key, entry, isIntent: ours === 2 };
}
