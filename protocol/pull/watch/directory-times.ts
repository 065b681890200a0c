import { statfsSync } from 'node:fs';
import { nativePath } from '../../base/root-path.ts';

/**
 * ext2 to 4, XFS, btrfs, F2FS, ZFS, tmpfs, ramfs: there a name that comes or goes gives its directory another ctime, for
 * good. Others keep that for as long as it suits them (FAT, most of FUSE), or have it from elsewhere; in overlayfs a name can
 * come by way of the lower layer.
 */
const types: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0x01021994, 0x858458f6,
]);

/** Whether directories where `path` (latin1-held) lies tell by their ctime that names came or went. Blocking. */
export function keepsDirectoryTimes(path: string): boolean {
  try {
    return types.has(statfsSync(nativePath(path)).type);
  } catch {
    return false;
  }
}
