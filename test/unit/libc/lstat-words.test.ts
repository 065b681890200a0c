import {
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { nativePath } from '../../../protocol/base/root-path.ts';
import { setPathMtime } from '../../../protocol/libc/libc.ts';
import { type lookInto, type lstatInto, statWords } from '../../../protocol/libc/lstat-words.ts';
import type { statOpen } from '../../../protocol/libc/open-file.ts';
import type { look as lookAt, printAt, printKind, printOf } from '../../../protocol/pull/replica/print.ts';

let top: string;
let into: typeof lstatInto;
let maybe: typeof lookInto;
let open: typeof statOpen;
let prints: { look: typeof lookAt; printAt: typeof printAt; printKind: typeof printKind; printOf: typeof printOf };

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
    ({ lstatInto: into, lookInto: maybe } = await import('../../../protocol/libc/lstat-words.ts'));
    ({ statOpen: open } = await import('../../../protocol/libc/open-file.ts'));
    prints = await import('../../../protocol/pull/replica/print.ts');
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

  it('says whether there is anything', () => {
    const words = new Uint32Array(statWords.count);
    writeFileSync(join(top, 'file'), 'x');
    expect(maybe(words, 0, join(top, 'file'))).toBe(true);
    const there = new Uint32Array(statWords.count);
    into(there, 0, join(top, 'file'));
    expect(words).toEqual(there);
    expect(maybe(words, 0, join(top, 'missing'))).toBe(false);
    expect(maybe(words, 0, join(top, 'file', 'below'))).toBe(false);
    expect(() => maybe(words, 0, `/${'x/'.repeat(4000)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
    symlinkSync('loop', join(top, 'loop'));
    expect(() => maybe(words, 0, join(top, 'loop', 'x'))).toThrow(expect.objectContaining({ code: 'ELOOP' }));
  });

  it('makes the print that an object of lstat has', () => {
    mkdirSync(join(top, 'directory'), { mode: 0o1700 });
    symlinkSync('nowhere', join(top, 'link'));
    writeFileSync(Buffer.from(`${top}/n\xffme`, 'latin1'), 'text');
    linkSync(Buffer.from(`${top}/n\xffme`, 'latin1'), join(top, 'twin'));
    truncateSync(join(top, 'twin'), 5 * 2 ** 32 + 7);
    const { look: at, printAt: print, printKind: kind, printOf: of } = prints;
    for (const path of [`${top}/directory`, `${top}/link`, `${top}/n\xffme`, `${top}/twin`, '/dev/null']) {
      const stats = at(nativePath(path));
      expect(print(path), path).toBe(stats === undefined ? '' : of(stats));
    }
    expect(['directory', 'link', 'twin'].map((name) => kind(print(`${top}/${name}`) ?? ''))).toEqual([
      'dir',
      'symlink',
      'file',
    ]);
    expect(print(join(top, 'missing'))).toBeUndefined();
  });

  it('says what fstat says of an open file', () => {
    const path = join(top, 'open');
    writeFileSync(path, 'x'.repeat(5000), { mode: 0o640 });
    truncateSync(path, 3 * 2 ** 32 + 1);
    setPathMtime(nativePath(path), -7, 5);
    for (const one of [path, '/dev/null', top]) {
      const fd = openSync(one, 'r');
      const { mode, size, blocks, mtimeNs, ctimeNs, ino, dev } = fstatSync(fd, { bigint: true });
      const kind = one === path ? 'file' : one === top ? 'dir' : 'other';
      const numbers = { mode: Number(mode), size: Number(size), blocks: Number(blocks) };
      expect(open(fd), one).toEqual({ kind, ...numbers, mtimeNs, ctimeNs, ino, dev });
      closeSync(fd);
    }
    expect(() => open(999_999)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  it('throws as lstat does', () => {
    expect(() => look(join(top, 'missing'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    writeFileSync(join(top, 'file'), '');
    expect(() => look(join(top, 'file', 'below'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
    expect(() => look(`/${'x/'.repeat(4000)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
  });
});
