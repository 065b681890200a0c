import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { type NativePath } from '../../protocol/base/root-path.ts';

/** Whether a version may be the MD5 of its object's bytes, of a service whose versions are. */
export function isMd5(version: string): boolean {
  return /^[0-9a-f]{32}$/.test(version);
}

/** Lower-case hex. Blocking. */
export function md5OfFile(path: NativePath): string {
  const hash = createHash('md5');
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (let bytes = -1; bytes !== 0; ) {
      bytes = readSync(fd, buffer);
      hash.update(buffer.subarray(0, bytes));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}
