/** What is to be done so that a bucket has what the sources have. Reads files that may have changed: blocking, in a thread. */
import { createHash } from 'node:crypto';
import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';
import { codeOfErrno, errnoOf, type Problem, TowError } from '../../../protocol/base/errors.ts';
import { displayPath } from '../../../protocol/base/root-path.ts';
import type { ObjectStat } from '../../../protocol/store/object-store.ts';
import type { UploadEntry } from './upload-entry.ts';
import { type IndexEntry, sourceDigest, type UploadIndex } from './upload-index.ts';

export interface Send {
  readonly entry: UploadEntry;
  /** The object that it replaces. */
  readonly over: ObjectStat | undefined;
}

/** An object whose bytes are right, or may be. */
export interface Same {
  readonly entry: UploadEntry;
  readonly object: ObjectStat;
  readonly md5: string;
}

export interface UploadPlan {
  readonly sends: Send[];
  /** Objects of ours whose bytes are right and whose mode is not. */
  readonly describes: Same[];
  /** Objects that Towline does not know, which may have these very bytes: their heads tell. */
  readonly unknown: Same[];
  /** Objects that Towline did not write, and whose bytes are others. */
  readonly foreign: Send[];
  /** Keys whose object somebody changed, and whose file is as it was uploaded. */
  readonly kept: string[];
  /** Keys that `mirror` removes. */
  readonly removals: string[];
  readonly problems: Problem[];
  unchanged: number;
}

export interface PlanOptions {
  /** Read every file, whatever stat says. */
  readonly verify: boolean;
  readonly mirror: boolean;
  /** Whether an object's version is the MD5 of its bytes, if it looks like one. */
  readonly versionIsMd5: boolean;
  /** Called for each file and each MiB that is read: throws when nobody wants the plan any more. */
  readonly check: () => void;
}

export function planUpload(
  entries: ReadonlyMap<string, UploadEntry>,
  listed: ReadonlyMap<string, ObjectStat>,
  index: UploadIndex,
  options: PlanOptions,
): UploadPlan {
  const plan: UploadPlan = {
    sends: [],
    describes: [],
    unknown: [],
    foreign: [],
    kept: [],
    removals: [],
    problems: [],
    unchanged: 0,
  };
  for (const entry of entries.values()) {
    options.check();
    try {
      judge(entry, listed.get(entry.key), index, options, plan);
    } catch (error) {
      plan.problems.push(unreadable(entry, error));
    }
  }
  if (options.mirror) plan.removals.push(...removalsOf(entries, listed, index));
  return plan;
}

/** The problem that a system error is for one file; anything else is thrown on. */
export function unreadable({ where }: UploadEntry, error: unknown): Problem {
  const errno = errnoOf(error);
  if (errno === undefined || error instanceof TowError) throw error;
  return { path: where, code: codeOfErrno(errno), message: `${displayPath(where)}: cannot be read (${errno})` };
}

function judge(
  entry: UploadEntry,
  object: ObjectStat | undefined,
  index: UploadIndex,
  options: PlanOptions,
  plan: UploadPlan,
): void {
  const { verify, versionIsMd5 } = options;
  const known = index.get(entry.key);
  if (object === undefined) {
    checkReadable(entry);
    plan.sends.push({ entry, over: undefined });
    return;
  }
  const asLeft = known?.version === object.version;
  if (known !== undefined && isAsRead(entry, known, options) && !verify) {
    if (asLeft) plan.unchanged += 1;
    else plan.kept.push(entry.key);
    return;
  }
  const couldBe = known !== undefined && known.kind === entry.kind && known.size === entry.size;
  const tellsMd5 = !versionIsMd5 || /^[0-9a-f]{32}$/.test(object.version);
  const sameSize = object.size === entry.size;
  const md5 = couldBe || (sameSize && tellsMd5) ? md5OfEntry(entry, options) : '';
  if (couldBe && known.md5 === md5) {
    index.set(entry.key, { ...known, ...stampOf(entry), mode: known.ours ? known.mode : entry.mode });
    if (!asLeft) plan.kept.push(entry.key);
    else if (known.ours && known.mode !== entry.mode) plan.describes.push({ entry, object, md5 });
    else plan.unchanged += 1;
    return;
  }
  const send = { entry, over: object };
  if (asLeft && known.ours) {
    checkReadable(entry);
    if (sameSize && known.md5 === md5) plan.describes.push({ entry, object, md5 });
    else plan.sends.push(send);
  } else if (sameSize && (entry.size === 0 || !versionIsMd5 || !tellsMd5 || md5 === object.version))
    plan.unknown.push({ entry, object, md5 });
  else plan.foreign.push(send);
}

/** Whether a file is, by what stat says, as it was when it was uploaded. */
function isAsRead(entry: UploadEntry, known: IndexEntry, options: PlanOptions): boolean {
  if (entry.kind !== known.kind || entry.size !== known.size) return false;
  if (entry.kind !== 'file')
    return md5OfEntry(entry, options) === known.md5 && (entry.kind === 'symlink' || entry.mode === known.mode);
  const { mode, mtimeNs, ctimeNs, ino } = entry;
  return mode === known.mode && mtimeNs === known.mtimeNs && ctimeNs === known.ctimeNs && ino === known.ino;
}

export function stampOf(entry: UploadEntry): Omit<IndexEntry, 'md5' | 'version' | 'ours'> {
  const { kind, size, mtimeNs, ctimeNs, ino, mode, source } = entry;
  return { kind, size, mtimeNs, ctimeNs, ino, mode, source: sourceDigest(source) };
}

function checkReadable({ kind, where }: UploadEntry): void {
  if (kind === 'file') accessSync(Buffer.from(where, 'latin1'), constants.R_OK);
}

const buffer = Buffer.allocUnsafeSlow(1 << 20);

function md5OfEntry({ kind, where, text }: UploadEntry, { check }: PlanOptions): string {
  const hash = createHash('md5');
  if (kind !== 'file') return hash.update(text, 'latin1').digest('hex');
  const fd = openSync(Buffer.from(where, 'latin1'), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    for (let bytes = -1; bytes !== 0; ) {
      check();
      bytes = readSync(fd, buffer);
      hash.update(buffer.subarray(0, bytes));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/** What came from one of these sources, is as Towline wrote it, and is in none of them any more. */
function removalsOf(
  entries: ReadonlyMap<string, UploadEntry>,
  listed: ReadonlyMap<string, ObjectStat>,
  index: UploadIndex,
): string[] {
  const sources = new Set([...entries.values()].map(({ source }) => sourceDigest(source)));
  const removals: string[] = [];
  for (const [key, { ours, version, source }] of index) {
    if (ours && !entries.has(key) && sources.has(source) && listed.get(key)?.version === version) removals.push(key);
  }
  return removals;
}
