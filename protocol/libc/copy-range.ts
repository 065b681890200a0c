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
  let done = inKernel(from, fromOffset, to, toOffset, length);
  while (done < length) {
    buffer ??= Buffer.allocUnsafeSlow(bufferBytes);
    const got = readSync(from, buffer, 0, Math.min(bufferBytes, length - done), fromOffset + done);
    if (got === 0) return false;
    for (let put = 0; put < got; ) put += writeSync(to, buffer, put, got - put, toOffset + done + put);
    done += got;
  }
  return true;
}

/** How much of the range was copied: all of it, or as far as the kernel can. */
function inKernel(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
  const c = libc();
  if (c?.copyFileRange === undefined) return 0;
  let done = 0;
  while (done < length) {
    const [at, target] = [offset(fromOffset + done), offset(toOffset + done)];
    const copied = Number(c.copyFileRange(from, at, to, target, BigInt(length - done), 0));
    if (copied < 0 && !cannot.has(c.koffi.errno())) throw systemError(c, 'copy_file_range');
    if (copied <= 0) break;
    done += copied;
  }
  return done;
}

function offset(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}
