import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { throwIfAborted } from '../../../protocol/base/abort.ts';
import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import { displayPath } from '../../../protocol/base/root-path.ts';
import { Slots } from '../../../protocol/base/slots.ts';
import { TaskGroup } from '../../../protocol/base/task-group.ts';
import type { Grain } from '../../../protocol/pull/source/grain.ts';
import type { ObjectStat, ObjectStore, Upload, WriteOptions } from '../../../protocol/store/object-store.ts';
import type { StoreTraits } from '../../../protocol/store/store-traits.ts';
import type { ByteBudget } from './byte-budget.ts';
import { objectMetadata } from './object-metadata.ts';
import { type Send, stampOf } from './plan-upload.ts';
import type { UploadEntry } from './upload-entry.ts';
import type { IndexEntry, Intent } from './upload-index.ts';

/** Files up to so many bytes go at once; larger ones in parts of at least that. */
const partBytes = 8 << 20;
const partsAtOnce = 4;
const attempts = 5;
const pauseMs = 50;

export interface SendContext {
  readonly store: Pick<ObjectStore, 'traits' | 'put' | 'startUpload'>;
  readonly budget: ByteBudget;
  readonly grain: Grain;
  /** Told what is about to be written. */
  onIntent(key: string, intent: Intent): void;
  /** Told of bytes as they arrive; negative when they must be sent again. */
  onBytes(count: number): void;
}

/**
 * Uploads one entry as it is now. Resolves with what the index is to say of it; undefined when it is gone. A file that
 * changes meanwhile is sent again. Rejects with `source-unstable`, system errors of reading, and as `ObjectStore`.
 */
export async function sendEntry(
  { entry, over }: Send,
  context: SendContext,
  signal: AbortSignal,
): Promise<IndexEntry | undefined> {
  const condition = conditionFor(context.store.traits, over);
  if (entry.kind !== 'file') {
    const body = Buffer.from(entry.text, 'latin1');
    context.onIntent(entry.key, stampOf(entry));
    const { version } = await context.store.put(entry.key, body, { ...objectMetadata(entry), ...condition }, signal);
    return { ...stampOf(entry), md5: createHash('md5').update(body).digest('hex'), version, ours: true };
  }
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    throwIfAborted(signal);
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs * attempt));
    const fd = open(entry.where);
    if (fd === undefined) return undefined;
    try {
      const sent = await sendOpen(entry, fd, condition, context, signal);
      if (sent !== undefined) return sent;
    } finally {
      closeSync(fd);
    }
  }
  throw new TowError('source-unstable', `${displayPath(entry.where)}: changed each time it was read`);
}

/** Where the service can do it, what somebody wrote since the bucket was listed is not replaced. */
function conditionFor({ conditions }: StoreTraits, over: ObjectStat | undefined): Pick<WriteOptions, 'condition'> {
  if (over === undefined) return conditions.includes('absent') ? { condition: { type: 'absent' } } : {};
  return conditions.includes('version') ? { condition: { type: 'version', version: over.version } } : {};
}

function open(where: string): number | undefined {
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    return openSync(Buffer.from(where, 'latin1'), flags);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Undefined when the file changed under it; then nothing was written. */
async function sendOpen(
  listed: UploadEntry,
  fd: number,
  condition: Pick<WriteOptions, 'condition'>,
  context: SendContext,
  signal: AbortSignal,
): Promise<IndexEntry | undefined> {
  const stats = fstatSync(fd, { bigint: true });
  if (!stats.isFile()) return undefined;
  const readAtMs = Date.now();
  const entry = entryOf(listed, stats);
  const options: WriteOptions = { ...objectMetadata(entry), ...condition };
  const { traits } = context.store;
  context.onIntent(entry.key, stampOf(entry));
  const sent =
    entry.size <= Math.min(partBytes, traits.putBytes)
      ? await sendWhole(entry, fd, stats, options, context, signal)
      : await sendParts(entry, fd, stats, options, context, signal);
  if (sent === undefined) return undefined;
  const ageNs = BigInt(readAtMs) * 1_000_000n - stats.ctimeNs;
  const proves = ageNs > context.grain.of(stats, Buffer.from(entry.where, 'latin1'));
  return { ...stampOf(entry), ctimeNs: proves ? stats.ctimeNs : -1n, ...sent, ours: true };
}

type Sent = Pick<IndexEntry, 'md5' | 'version'>;

async function sendWhole(
  { key, size }: UploadEntry,
  fd: number,
  stats: BigIntStats,
  options: WriteOptions,
  context: SendContext,
  signal: AbortSignal,
): Promise<Sent | undefined> {
  const giveBack = await context.budget.take(size);
  try {
    throwIfAborted(signal);
    const bytes = Buffer.allocUnsafe(size);
    if (!readFully(fd, bytes, 0) || isChanged(fd, stats)) return undefined;
    const md5 = createHash('md5').update(bytes).digest('hex');
    const { version } = await context.store.put(key, bytes, { ...options, md5 }, signal);
    context.onBytes(size);
    return { md5, version };
  } finally {
    giveBack();
  }
}

async function sendParts(
  { key, size }: UploadEntry,
  fd: number,
  stats: BigIntStats,
  options: WriteOptions,
  context: SendContext,
  signal: AbortSignal,
): Promise<Sent | undefined> {
  const upload = await context.store.startUpload(key, options, signal);
  let done = false;
  let sent = 0;
  const onBytes = (count: number): void => {
    sent += count;
    context.onBytes(count);
  };
  try {
    const md5 = await sendAllParts(upload, fd, size, { ...context, onBytes }, signal);
    if (md5 === undefined || isChanged(fd, stats)) return undefined;
    const { version } = await upload.complete(signal);
    done = true;
    return { md5, version };
  } finally {
    if (!done) {
      context.onBytes(-sent);
      await upload.abort();
    }
  }
}

/** The MD5 of what was sent; undefined when the file ended too soon. */
async function sendAllParts(
  upload: Upload,
  fd: number,
  size: number,
  context: SendContext,
  signal: AbortSignal,
): Promise<string | undefined> {
  const each = partBytesFor(size, context.store.traits);
  const hash = createHash('md5');
  const group = new TaskGroup(signal);
  const slots = new Slots(partsAtOnce);
  const file = { short: false };
  for (let [at, number] = [0, 1]; at < size && !file.short && !group.signal.aborted; at += each, number += 1) {
    const length = Math.min(each, size - at);
    const partNumber = number;
    const from = at;
    let read: () => void = () => undefined;
    // Parts are read in order, for the hash, and no sooner than they can be sent.
    const wasRead = new Promise<void>((resolve) => {
      read = resolve;
    });
    group.run((inner) =>
      slots
        .run(async () => {
          const giveBack = await context.budget.take(length);
          try {
            throwIfAborted(inner);
            const bytes = Buffer.allocUnsafeSlow(length);
            file.short ||= !readFully(fd, bytes, from);
            hash.update(bytes);
            read();
            if (file.short) return;
            await upload.part(partNumber, bytes, inner);
            context.onBytes(length);
          } finally {
            giveBack();
          }
        }, inner)
        .finally(read),
    );
    await wasRead;
  }
  await group.wait();
  throwIfAborted(signal);
  return file.short ? undefined : hash.digest('hex');
}

/** Equal parts, as large as it takes to have no more of them than the service lets one have. */
export function partBytesFor(size: number, { minPartBytes, maxParts, partMultiple }: StoreTraits): number {
  const least = Math.max(partBytes, minPartBytes, Math.ceil(size / maxParts));
  return Math.ceil(least / partMultiple) * partMultiple;
}

function readFully(fd: number, bytes: Buffer, from: number): boolean {
  for (let at = 0; at < bytes.length; ) {
    const got = readSync(fd, bytes, at, bytes.length - at, from + at);
    if (got === 0) return false;
    at += got;
  }
  return true;
}

function isChanged(fd: number, before: BigIntStats): boolean {
  const after = fstatSync(fd, { bigint: true });
  return after.ctimeNs !== before.ctimeNs || after.mtimeNs !== before.mtimeNs || after.size !== before.size;
}

function entryOf(listed: UploadEntry, { mode, mtimeNs, ctimeNs, ino, size }: BigIntStats): UploadEntry {
  return { ...listed, mode: Number(mode) & 0o777, mtimeNs, ctimeNs, ino: BigInt.asUintN(64, ino), size: Number(size) };
}
