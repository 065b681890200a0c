import { closeSync, openSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { TowError } from '../../protocol/base/errors.ts';
import { type NativePath } from '../../protocol/base/root-path.ts';
import { setPathMtime } from '../../protocol/libc/libc.ts';
import { writeAll } from '../../protocol/pull/replica/durable-file.ts';
import { look } from '../../protocol/pull/replica/print.ts';
import type { Checksum } from '../../protocol/store/checksum.ts';
import type { ObjectBody, ObjectHead, ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import { type PosixMetadata, posixMetadata } from '../../protocol/store/posix-metadata.ts';
import { applyPosix } from './apply-posix.ts';
import { type ChecksumHash, checksumHash } from './checksum-hash.ts';
import { unfinishedMode } from './copy-stage.ts';

/** Objects up to so many bytes are asked for by one request. */
export const smallBytes = 1 << 20;

/** What is held of one in memory. */
const heldBytes = 128 << 10;
const symlinkBytes = 4096;

/**
 * Fetches an object of at most `smallBytes` to `where` (latin1), checked; the file work blocks. Returns whether it is a
 * directory instead: then nothing is written. Rejects with `object-corrupt`, `not-supported`, and as `ObjectStore.get`.
 */
export async function fetchSmall(
  store: ObjectStore,
  object: ObjectStat,
  where: string,
  signal: AbortSignal,
): Promise<'file' | 'directory'> {
  const body = await store.get(object.key, { ifVersion: object.version }, signal);
  const posix = posixMetadata(body.head);
  const path = Buffer.from(where, 'latin1');
  if (posix.kind === 'file') {
    await intoFile(body, object, path, posix);
    return 'file';
  }
  const content = Buffer.allocUnsafe(Math.min(object.size, symlinkBytes + 1));
  await readThrough(body, object, content, () => undefined);
  switch (posix.kind) {
    case 'dir':
      return 'directory';
    case 'special':
      throw new TowError('not-supported', 'it is a pipe or a device');
    case 'symlink':
      if (content.length === 0 || content.length > symlinkBytes || content.includes(0))
        throw new TowError('object-corrupt', `it is a symlink to a text of ${object.size} bytes`);
      removeStaged(path);
      symlinkSync(content, path);
      setPathMtime(path, posix.mtimeSec, posix.mtimeNsec);
      return 'file';
  }
}

/** What an earlier run staged under this name. `rmSync` asks what a symlink leads to and leaves one to nothing (Node 24). */
function removeStaged(path: NativePath): void {
  if (look(path) !== undefined) unlinkSync(path);
}

async function intoFile(body: ObjectBody, object: ObjectStat, path: NativePath, posix: PosixMetadata): Promise<void> {
  let fd: number | undefined;
  try {
    await readThrough(body, object, Buffer.allocUnsafe(Math.min(object.size, heldBytes)), (bytes) => {
      // Its mode comes last and says that it is whole: one more name for that would be one more rename.
      fd ??= openSync(path, 'w', unfinishedMode);
      writeAll(fd, bytes);
    });
    fd ??= openSync(path, 'w', unfinishedMode);
    applyPosix(fd, posix);
  } catch (error) {
    // It may be asked for again, under this name.
    if (fd !== undefined) rmSync(path, { force: true });
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Reads an object through `held`, handing it on whenever it is full, and at the end. All of it is checked when this resolves. */
async function readThrough(
  { head, bytes }: ObjectBody,
  object: ObjectStat,
  held: Buffer,
  onHeld: (bytes: Uint8Array) => void,
): Promise<void> {
  const expected = checksumOf(head);
  let hash: ChecksumHash | undefined;
  let seen = 0;
  let filled = 0;
  for await (const chunk of bytes) {
    // Leaving the loop, even at its beginning, is what lets go of the connection.
    if (head.size !== object.size || seen + chunk.byteLength > object.size) break;
    seen += chunk.byteLength;
    // Not before: a connection that breaks while nobody reads from it ends the process.
    hash ??= expected && (await checksumHash(expected.algorithm));
    hash?.update(chunk);
    for (let at = 0; at < chunk.byteLength; ) {
      if (filled === held.length) {
        onHeld(held);
        filled = 0;
      }
      const part = chunk.subarray(at, at + held.length - filled);
      held.set(part, filled);
      filled += part.byteLength;
      at += part.byteLength;
    }
  }
  checkSize(head, object);
  if (seen !== object.size)
    throw new TowError('object-corrupt', `${seen} of its ${object.size} bytes came`, { retryable: true });
  hash ??= expected && (await checksumHash(expected.algorithm));
  if (expected !== undefined && hash !== undefined) checkSum(expected, hash.digest());
  if (filled > 0) onHeld(held.subarray(0, filled));
}

/** Rejects with `object-changed` when the service gives it another size than it was listed with. */
export function checkSize(head: ObjectHead, object: ObjectStat): void {
  if (head.size === object.size) return;
  throw new TowError('object-changed', `it has ${head.size} bytes, ${object.size} were listed`);
}

/** What all bytes are checked by. */
export function checksumOf({ md5, checksum }: ObjectHead): Checksum | undefined {
  return md5 === undefined ? checksum : { algorithm: 'md5', hex: md5 };
}

/** Throws `object-corrupt` when the bytes have another one. */
export function checkSum({ algorithm, hex }: Checksum, found: string): void {
  if (hex === found) return;
  const name = algorithm.toUpperCase();
  const message = `its bytes have the ${name} ${found}, the service says ${hex}`;
  throw new TowError('object-corrupt', message, { retryable: true });
}
