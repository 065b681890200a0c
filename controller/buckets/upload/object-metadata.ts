import { splitNs } from '../../../protocol/base/split-ns.ts';
import type { WriteOptions } from '../../../protocol/store/object-store.ts';
import type { UploadEntry } from './upload-entry.ts';

const formats: Readonly<Record<UploadEntry['kind'], number>> = { file: 0o100000, dir: 0o040000, symlink: 0o120000 };
/** The one mode of symlinks. */
const symlinkMode = 0o777;

/** How an object says what it is as a file: as s3fs does, so that mounts and copies give it back (protocol/store/posix-metadata.ts). */
export function objectMetadata({
  kind,
  mode,
  mtimeNs,
}: Pick<UploadEntry, 'kind' | 'mode' | 'mtimeNs'>): Required<Pick<WriteOptions, 'metadata'>> &
  Pick<WriteOptions, 'contentType'> {
  const { sec, nsec } = splitNs(mtimeNs);
  const bits = kind === 'symlink' ? symlinkMode : mode & 0o777;
  return {
    ...(kind === 'dir' ? { contentType: 'application/x-directory' } : {}),
    metadata: {
      mode: String(formats[kind] + bits),
      // Before 1970 there is no way to say it.
      ...(sec < 0 ? {} : { mtime: nsec === 0 ? String(sec) : `${sec}.${String(nsec).padStart(9, '0')}` }),
    },
  };
}
