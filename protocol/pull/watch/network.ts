import { statfsSync } from 'node:fs';
import { type NativePath } from '../../base/root-path.ts';

/** NFS, SMB (three), FUSE (sshfs, virtiofs), 9p, AFS, Ceph, Lustre, GFS2, OCFS2, VirtualBox shares. */
const networkTypes: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x5346414f, 0x00c36400, 0x0bd00bd0, 0x01161970,
  0x7461636f, 0x786f4256,
]);

/** Whether a path lies where another machine, or another kernel, may change files unseen. Blocking. */
export function isOnNetwork(path: NativePath): boolean {
  try {
    return networkTypes.has(statfsSync(path).type);
  } catch {
    // Gone in the meantime, or no statfs here: the careful answer costs work only.
    return true;
  }
}
