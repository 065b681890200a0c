import { linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { nativePath } from '../../../protocol/base/root-path.ts';
import { setPathMtime } from '../../../protocol/libc/libc.ts';
import { type lstatInto, statWords } from '../../../protocol/libc/lstat-words.ts';

let top: string;
let into: typeof lstatInto;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'words-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function look(path: string): Record<string, bigint> {
  const words = new Uint32Array(2 * statWords.count);
  into(words, statWords.count, path);
  expect([...words.subarray(0, statWords.count)].every((word) => word === 0)).toBe(true);
  const long = (from: number): bigint =>
    (BigInt(words[statWords.count + from + 1] ?? 0) << 32n) | BigInt(words[statWords.count + from] ?? 0);
  return {
    mode: BigInt(words[statWords.count] ?? 0),
    nlink: BigInt(words[statWords.count + statWords.links] ?? 0),
    mtimeNs: BigInt.asIntN(64, long(statWords.mtime)),
    ctimeNs: BigInt.asIntN(64, long(statWords.ctime)),
    ino: long(statWords.ino),
    size: long(statWords.size),
    dev: long(statWords.dev),
  };
}

function expected(path: string): Record<string, bigint> {
  const { mode, nlink, mtimeNs, ctimeNs, ino, size, dev } = lstatSync(nativePath(path), { bigint: true });
  return { mode, nlink, mtimeNs, ctimeNs, ino, size, dev };
}

describe.each(['linux', 'where there is no libc'])('lstatInto, %s', (platform) => {
  beforeAll(async () => {
    const real = process.platform;
    vi.resetModules();
    Object.defineProperty(process, 'platform', { value: platform });
    ({ lstatInto: into } = await import('../../../protocol/libc/lstat-words.ts'));
    // It looks for libc once.
    look('/');
    Object.defineProperty(process, 'platform', { value: real });
  });

  it('says what lstat says of files, directories, symlinks and devices', () => {
    const path = join(top, 'file');
    writeFileSync(path, 'x');
    linkSync(path, join(top, 'twin'));
    truncateSync(path, 5 * 2 ** 32 + 7);
    mkdirSync(join(top, 'directory'), { mode: 0o1700 });
    symlinkSync('nowhere', join(top, 'link'));
    writeFileSync(Buffer.from(`${top}/n\xffme`, 'latin1'), '');
    for (const name of ['file', 'twin', 'directory', 'link', 'n\xffme'])
      expect(look(`${top}/${name}`), name).toEqual(expected(`${top}/${name}`));
    for (const there of ['/', '/dev/null', '/proc/self', '/sys/kernel']) expect(look(there)).toEqual(expected(there));
  });

  it('keeps times to the nanosecond, before 1970 and after 2106 too', () => {
    const path = join(top, 'timed');
    writeFileSync(path, '');
    const seconds = [-(2 ** 31), -1, 0, 1, 65_535, 65_536, 4_294_967, 1_700_000_000, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 5];
    for (const sec of seconds)
      for (const nsec of [0, 1, 294_967_295, 294_967_296, 999_999_999]) {
        setPathMtime(nativePath(path), sec, nsec);
        expect(look(path)).toEqual(expected(path));
      }
  });

  it('has the last time there is for one that is too late for 64 bits', () => {
    const path = join(top, 'late');
    writeFileSync(path, '');
    setPathMtime(nativePath(path), 2 ** 34, 5);
    expect(lstatSync(path, { bigint: true }).mtimeNs).toBeGreaterThan(2n ** 63n);
    expect(look(path)['mtimeNs']).toBe(2n ** 63n - 1n);
  });

  it('throws as lstat does', () => {
    expect(() => look(join(top, 'missing'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    writeFileSync(join(top, 'file'), '');
    expect(() => look(join(top, 'file', 'below'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
    expect(() => look(`/${'x/'.repeat(4000)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
  });
});
