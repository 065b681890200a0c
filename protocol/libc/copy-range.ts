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
  const c = libc();
  while (c?.copyFileRange !== undefined && done < length) {
    const at = [offset(fromOffset + done), offset(toOffset + done)] as const;
    const copied = Number(c.copyFileRange(from, at[0], to, at[1], BigInt(length - done), 0));
    if (copied === 0) return false;
    if (copied < 0) {
      if (!cannot.has(c.koffi.errno())) throw systemError(c, 'copy_file_range');
      break;
    }
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
