import { readSync, writeSync } from 'node:fs';
import { libc, systemError } from './libc.ts';

const bufferBytes = 1 << 20;
let buffer: Buffer | undefined;

/** What a kernel or a file system answers that cannot copy between these two files: EPERM, EXDEV, EINVAL, ENOSYS, ETXTBSY, EOPNOTSUPP. */
const cannot: ReadonlySet<number> = new Set([1, 18, 22, 26, 38, 95]);

/**
 * Copies a range between open files: inside the kernel where it can, which shares the blocks on a file system that knows
 * how. False when `from` ends before the range does. Blocking.
 */
export function copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): boolean {
  let done = 0;
  for (const c = libc(); done < length; ) {
    const copied =
      c?.copyFileRange === undefined
        ? undefined
        : Number(
            c.copyFileRange(from, offset(fromOffset + done), to, offset(toOffset + done), BigInt(length - done), 0),
          );
    if (copied === 0) return false;
    if (c !== undefined && copied !== undefined && copied < 0 && !cannot.has(c.koffi.errno()))
      throw systemError(c, 'copy_file_range');
    if (copied === undefined || copied < 0) break;
    done += copied;
  }
  buffer ??= Buffer.allocUnsafeSlow(bufferBytes);
  while (done < length) {
    const got = readSync(from, buffer, 0, Math.min(bufferBytes, length - done), fromOffset + done);
    if (got === 0) return false;
    for (let put = 0; put < got; ) put += writeSync(to, buffer, put, got - put, toOffset + done + put);
    done += got;
  }
  return true;
}

function offset(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}
