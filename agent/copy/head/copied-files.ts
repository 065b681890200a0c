/** What a copy has put onto this node, served to other nodes as it was copied, or not at all. Blocking, for a thread. */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import { absolutePath, displayPath, type NativePath, type RootPath } from '../../../protocol/base/root-path.ts';
import type { Handlers } from '../../../protocol/link/link.ts';
import { look, printOf } from '../../../protocol/pull/replica/print.ts';
import type { HeadMethods } from '../../../protocol/wire/copied.ts';
import type { CopyLedger } from '../copy-ledger.ts';

const pieceBytes = 256 << 10;

/** `root`: where it lies, absolute, latin1. */
export function copiedFiles(root: string, { files }: CopyLedger): Handlers<HeadMethods> {
  return {
    'copied.get': async ({ path, version, start, end }, { emit, send }) => {
      const known = files.get(path);
      if (known === undefined || known.version === '' || known.version !== version) throw lacks(path, 'not copied');
      const where = absolutePath(root, path);
      const stats = look(where);
      if (stats === undefined || printOf(stats) !== known.print) throw lacks(path, 'changed since it was copied');
      emit(headOf(stats));
      const last = Math.min(end ?? Number.MAX_SAFE_INTEGER, Number(stats.size));
      if (stats.isSymbolicLink()) {
        const text = readlinkSync(where, { encoding: 'buffer' });
        if (start < last) await send(text.subarray(start, last));
        return {};
      }
      const fd = open(where, path);
      try {
        // One buffer will do: what is sent has left it when `send` resolves.
        const piece = Buffer.allocUnsafe(Math.max(0, Math.min(pieceBytes, last - start)));
        for (let at = start; at < last; ) {
          const bytes = readSync(fd, piece, 0, Math.min(piece.length, last - at), at);
          if (bytes === 0) break;
          await send(piece.subarray(0, bytes));
          at += bytes;
        }
        // Whatever was read while somebody wrote is not what was copied.
        if (printOf(fstatSync(fd, { bigint: true })) !== known.print) throw lacks(path, 'changed while it was read');
      } finally {
        closeSync(fd);
      }
      return {};
    },
  };
}

function headOf({ size, mode, mtimeNs }: BigIntStats) {
  const mtimeSec = Number(mtimeNs / 1_000_000_000n) - (mtimeNs < 0n && mtimeNs % 1_000_000_000n !== 0n ? 1 : 0);
  const mtimeNsec = Number(mtimeNs - BigInt(mtimeSec) * 1_000_000_000n);
  return { size: Number(size), mode: Number(mode), mtimeSec, mtimeNsec };
}

function open(where: NativePath, path: RootPath): number {
  try {
    return openSync(where, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw lacks(path, errnoOf(error) ?? 'unreadable');
  }
}

function lacks(path: RootPath, why: string): TowError {
  return new TowError('object-missing', `the head does not have ${displayPath(path)}: ${why}`);
}
