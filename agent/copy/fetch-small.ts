import { createHash } from 'node:crypto';
import { closeSync, openSync, rmSync, symlinkSync } from 'node:fs';
import { TowError } from '../../protocol/base/errors.ts';
import { writeAll } from '../../protocol/pull/replica/durable-file.ts';
import type { ObjectHead, ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import { posixMetadata } from '../../protocol/store/posix-metadata.ts';
import { applyPosix } from './apply-posix.ts';
import { unfinishedMode } from './copy-stage.ts';

/** Objects up to so many bytes are held in memory on their way. */
export const smallBytes = 1 << 20;

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
  const { head, bytes } = await store.get(object.key, { ifVersion: object.version }, signal);
  const content = Buffer.allocUnsafe(object.size);
  let at = 0;
  for await (const chunk of bytes) {
    // Leaving the loop, even at its beginning, is what lets go of the connection.
    if (head.size !== object.size || at + chunk.byteLength > object.size) break;
    content.set(chunk, at);
    at += chunk.byteLength;
  }
  checkSize(head, object);
  if (at !== object.size)
    throw new TowError('object-corrupt', `${at} of its ${object.size} bytes came`, { retryable: true });
  checkMd5(head, createHash('md5').update(content).digest('hex'));
  const posix = posixMetadata(head);
  const path = Buffer.from(where, 'latin1');
  switch (posix.kind) {
    case 'dir':
      return 'directory';
    case 'special':
      throw new TowError('not-supported', 'it is a pipe or a device');
    case 'symlink':
      if (content.length === 0 || content.length > symlinkBytes || content.includes(0))
        throw new TowError('object-corrupt', `it is a symlink to a text of ${content.length} bytes`);
      rmSync(path, { force: true });
      symlinkSync(content, path);
      return 'file';
    case 'file': {
      // Its mode comes last and says that it is whole: one more name for that would be one more rename.
      const fd = openSync(path, 'w', unfinishedMode);
      try {
        writeAll(fd, content);
        applyPosix(fd, posix);
      } finally {
        closeSync(fd);
      }
      return 'file';
    }
  }
}

/** Rejects with `object-changed` when the service gives it another size than it was listed with. */
export function checkSize(head: ObjectHead, object: ObjectStat): void {
  if (head.size === object.size) return;
  throw new TowError('object-changed', `it has ${head.size} bytes, ${object.size} were listed`);
}

/** Rejects with `object-corrupt` when the service knows the MD5 and it is another one. */
export function checkMd5({ md5 }: ObjectHead, found: string | undefined): void {
  if (md5 === undefined || found === undefined || md5 === found) return;
  throw new TowError('object-corrupt', `its bytes have the MD5 ${found}, the service says ${md5}`, { retryable: true });
}
