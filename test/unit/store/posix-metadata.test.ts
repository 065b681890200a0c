import { describe, expect, test } from 'vitest';
import type { ObjectHead } from '../../../protocol/store/object-store.ts';
import { posixMetadata } from '../../../protocol/store/posix-metadata.ts';

const plain: ObjectHead = {
  key: 'a',
  size: 1,
  version: 'v',
  modifiedMs: 1_700_000_000_250,
  contentType: 'text/plain',
  metadata: {},
  md5: undefined,
};

describe('mode', () => {
  test.each([
    ['s3fs', { mode: '33184' }, 0o640],
    ['s3fs, permission bits alone', { mode: '493' }, 0o755],
    ['s3sync', { permissions: '420' }, 0o644],
    ["Google's, octal", { 'goog-reserved-posix-mode': '100600' }, 0o600],
    ['s3fs before the others', { mode: '33184', permissions: '420', 'goog-reserved-posix-mode': '777' }, 0o640],
    ['s3sync before Google', { permissions: '420', 'goog-reserved-posix-mode': '777' }, 0o644],
    ['none', {}, undefined],
    ['no permission bits', { mode: '32768' }, undefined],
    ['no number', { mode: 'rw' }, undefined],
    ['too long a number', { mode: '999999999' }, undefined],
    ['setuid, setgid and sticky go', { mode: String(0o107755) }, 0o755],
  ])('%s', (_, metadata, mode) => {
    expect(posixMetadata({ ...plain, metadata }).mode).toBe(mode);
  });
});

describe('kind', () => {
  test.each<[string, Partial<ObjectHead>, string]>([
    ['plain', {}, 'file'],
    ['by type', { contentType: 'application/x-directory' }, 'dir'],
    ['by type with parameters', { contentType: 'Application/X-Directory; charset=UTF-8' }, 'dir'],
    ['by the older type', { contentType: 'httpd/unix-directory' }, 'dir'],
    ['by its slash', { key: 'a/', size: 0 }, 'dir'],
    ['a slash and bytes', { key: 'a/', size: 1 }, 'file'],
    ['a file of s3fs', { metadata: { mode: '33188' } }, 'file'],
    ['a file, whatever its type', { metadata: { mode: '33188' }, contentType: 'application/x-directory' }, 'file'],
    ['a symlink of s3fs', { metadata: { mode: '41471' } }, 'symlink'],
    ['a pipe of s3fs', { metadata: { mode: '4516' } }, 'special'],
    ['a directory of s3fs after chmod', { metadata: { mode: '16872' } }, 'dir'],
    ['mkdir of s3fs', { metadata: { mode: '493' }, contentType: 'application/x-directory' }, 'dir'],
    ['a socket', { metadata: { mode: String(0o140644) } }, 'special'],
  ])('%s', (_, head, kind) => {
    expect(posixMetadata({ ...plain, ...head }).kind).toBe(kind);
  });
});

describe('mtime', () => {
  test.each<[string, Record<string, string>, [number, number]]>([
    ['seconds', { mtime: '1795448533' }, [1_795_448_533, 0]],
    ['nanoseconds', { mtime: '1795448533.000000005' }, [1_795_448_533, 5]],
    ["rclone's shorter fraction", { mtime: '1795448533.25' }, [1_795_448_533, 250_000_000]],
    ['longer than nanoseconds', { mtime: '1.1234567891' }, [1, 123_456_789]],
    ["Google's", { 'goog-reserved-file-mtime': '12' }, [12, 0]],
    ['s3fs before Google', { mtime: '11', 'goog-reserved-file-mtime': '12' }, [11, 0]],
    ['Google where the other is no time', { mtime: 'x', 'goog-reserved-file-mtime': '12' }, [12, 0]],
    ['no time', { mtime: '1e9' }, [1_700_000_000, 250_000_000]],
    ['nothing', {}, [1_700_000_000, 250_000_000]],
  ])('%s', (_, metadata, [sec, nsec]) => {
    const posix = posixMetadata({ ...plain, metadata });
    expect([posix.mtimeSec, posix.mtimeNsec]).toEqual([sec, nsec]);
  });

  test('of an object from before 1970 it is one that a file can have', () => {
    const posix = posixMetadata({ ...plain, modifiedMs: -250 });
    expect([posix.mtimeSec, posix.mtimeNsec]).toEqual([-1, 750_000_000]);
  });
});
