import { closeSync, constants, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAlone } from '../../../protocol/libc/lease.ts';

let top: string;
let path: string;

beforeEach(() => {
  top = mkdtempSync(join('/dev/shm', 'lease-'));
  path = join(top, 'file');
  writeFileSync(path, 'x');
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const opened = (fd: number | undefined): boolean => {
  if (fd !== undefined) closeSync(fd);
  return fd !== undefined;
};

describe.each([false, true])('openAlone, to be written: %s', (write) => {
  it('opens what nobody has open', () => {
    expect(opened(openAlone(path, { write }))).toBe(true);
  });

  it.each(['r', 'r+', 'a'])('does not open what somebody has open (%s)', (flags) => {
    const fd = openSync(path, flags);
    expect(opened(openAlone(path, { write }))).toBe(false);
    closeSync(fd);
    expect(opened(openAlone(path, { write }))).toBe(true);
  });

  it('keeps others out until it is closed, and lives on when one knocks', () => {
    const fd = openAlone(path, { write });
    const knock = (): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    expect(knock).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
    expect(opened(fd)).toBe(true);
    expect(opened(knock())).toBe(true);
    // The signal is named anew for each.
    const again = openAlone(path, { write });
    expect(knock).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
    expect(opened(again)).toBe(true);
  });

  it('opens nothing through a symlink, and nothing that is not there', () => {
    symlinkSync('file', join(top, 'link'));
    expect(openAlone(join(top, 'link'), { write })).toBeUndefined();
    expect(openAlone(join(top, 'missing'), { write })).toBeUndefined();
  });
});
