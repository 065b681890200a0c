/**
 * What an object is as a file, by the conventions of s3fs (`x-amz-meta-mode`, `-mtime` …), of s3sync and of Google's own
 * tools, in the order in which s3fs reads them.
 */
import type { ObjectHead } from './object-store.ts';

export interface PosixMetadata {
  readonly kind: 'file' | 'dir' | 'symlink' | 'special';
  /** Permission bits without setuid, setgid and sticky: who writes a bucket must not make programs that run as others. */
  readonly mode: number | undefined;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
}

const formatMask = 0o170000;
const kinds: Readonly<Record<number, PosixMetadata['kind']>> = {
  0o100000: 'file',
  0o040000: 'dir',
  0o120000: 'symlink',
};
const directoryTypes = new Set(['application/x-directory', 'httpd/unix-directory']);

export function posixMetadata({ key, size, contentType, metadata, modifiedMs }: ObjectHead): PosixMetadata {
  const mode = modeOf(metadata);
  const format = (mode ?? 0) & formatMask;
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  const isDirectory = directoryTypes.has(type) || (key.endsWith('/') && size === 0);
  const kind = format === 0 ? (isDirectory ? 'dir' : 'file') : (kinds[format] ?? 'special');
  const time = timeOf(metadata['mtime']) ?? timeOf(metadata['goog-reserved-file-mtime']);
  const modifiedSec = Math.floor(modifiedMs / 1000);
  return {
    kind,
    mode: mode === undefined || (mode & 0o777) === 0 ? undefined : mode & 0o777,
    mtimeSec: time?.sec ?? modifiedSec,
    mtimeNsec: time?.nsec ?? Math.floor(modifiedMs - modifiedSec * 1000) * 1e6,
  };
}

function modeOf(metadata: Readonly<Record<string, string>>): number | undefined {
  const decimal = metadata['mode'] ?? metadata['permissions'];
  if (decimal !== undefined) return /^\d{1,8}$/.test(decimal) ? Number(decimal) : undefined;
  const octal = metadata['goog-reserved-posix-mode'];
  return octal !== undefined && /^[0-7]{1,8}$/.test(octal) ? Number.parseInt(octal, 8) : undefined;
}

/** `sec` or `sec.nnnnnnnnn`; a shorter fraction is one of rclone's. */
function timeOf(text: string | undefined): { readonly sec: number; readonly nsec: number } | undefined {
  const match = /^(\d{1,11})(?:\.(\d{1,9})\d*)?$/.exec(text ?? '');
  if (match === null) return undefined;
  return { sec: Number(match[1]), nsec: Number((match[2] ?? '').padEnd(9, '0')) };
}
