import {
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { absolutePath, type NativePath } from '../../base/root-path.ts';
import { setPathMtime } from '../../libc/libc.ts';

/** Copies a file, symlink or tree with modes and mtimes; names are bytes. Sockets and FIFOs are left out. Blocking. */
export function copyTree(from: NativePath, to: NativePath): void {
  const stats = lstatSync(from, { bigint: true });
  if (stats.isSymbolicLink()) {
    symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to);
  } else if (stats.isDirectory()) {
    mkdirSync(to, { mode: 0o700 });
    for (const name of readdirSync(from, { encoding: 'latin1' })) copyTree(below(from, name), below(to, name));
    chmodSync(to, Number(stats.mode) & 0o7777);
  } else if (stats.isFile()) {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    chmodSync(to, Number(stats.mode) & 0o7777);
  } else {
    return;
  }
  setPathMtime(to, Number(stats.mtimeNs / 1_000_000_000n), Number(stats.mtimeNs % 1_000_000_000n));
}

function below(directory: NativePath, name: string): NativePath {
  return absolutePath(directory.toString('latin1'), name);
}
