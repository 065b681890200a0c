/** Where a root may lie on a node, and what is made for it. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { isSharedDirectory, systemDirectoryOf } from '../../protocol/base/system-directory.ts';
import type { Reach } from '../../protocol/pull/replica/destination.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullSetup, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'dest-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'a'), '1');
  writeFileSync(join(source, 'sub/b'), '2');
  mkdirSync(join(node, 'home'), { recursive: true });
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function sync(dest: string, setup: Partial<PullSetup> = {}): ReturnType<typeof pull> {
  return pull(plainSnapshot(source), { node, allowDelete: false, dest, ...setup });
}

function refusal(work: () => unknown): TowError {
  try {
    work();
  } catch (error) {
    if (error instanceof TowError) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('what is the system’s is refused', () => {
  test.each([
    ['/', 'it is no path on a node'],
    ['/proc/self/x', "/proc is the system's"],
    ['/sys/x', "/sys is the system's"],
    ['/dev/shm/x', "/dev is the system's"],
    ['/run/x', "/run is the system's"],
    ['/etc/towline', "/etc is the system's"],
    ['/usr/share/x', "/usr is the system's"],
    ['/usr/bin', "/usr is the system's"],
    ['/bin/x', "/bin is the system's"],
    ['/lib64', "/lib64 is the system's"],
    ['/boot/x', "/boot is the system's"],
    ['/var/lib/x', "/var/lib is the system's"],
    ['/var', 'it is there on every machine for many to use'],
    ['/home', 'it is there on every machine for many to use'],
    ['/opt', 'it is there on every machine for many to use'],
    ['/srv', 'it is there on every machine for many to use'],
    ['/mnt', 'it is there on every machine for many to use'],
    ['/usr/local', 'it is there on every machine for many to use'],
  ])('%s', (dest, message) => {
    const error = refusal(() => sync(dest));
    expect([error.code, error.message]).toEqual(['mount-destination-refused', expect.stringContaining(message)]);
    expect(error.hint).not.toBe('');
  });

  test.each(['/', '/tmp', '/etc', '/etc/x'])('%s, as the controller sees it', (dest) =>
    expect([systemDirectoryOf(dest) !== undefined, isSharedDirectory(dest)]).toContain(true),
  );

  test.each(['/opt/mydata', '/mnt/disk/x', '/srv/x', '/data', '/data/set', '/var/tmp/x', '/usr/local/x', '/home/me/x'])(
    '%s is not',
    (dest) => expect([systemDirectoryOf(dest), isSharedDirectory(dest)]).toEqual([undefined, false]),
  );

  test('through a symlink too, whether it is the destination or lies above it', () => {
    symlinkSync('/etc', join(node, 'link'));
    expect(refusal(() => sync(join(node, 'link/towline'))).message).toContain("/etc is the system's");
    expect(refusal(() => sync(join(node, 'link'))).message).toContain("/etc is the system's");
    symlinkSync('/proc/self', join(node, 'home/self'));
    expect(refusal(() => sync('~/self/fd')).message).toContain("/proc is the system's");
  });
});

describe('beyond the home', () => {
  test('directories above are made, the root appears, and a second sync has nothing to do', () => {
    const dest = join(node, 'data/deep/set');
    sync(dest);
    expect(missingOrDifferent(readTree(source), readTree(dest))).toEqual([]);
    const again = sync(dest);
    expect([again.placed, again.removed, again.fetchedBytes]).toEqual([0, 0, 0]);
  });

  test('a directory that is there keeps what is not of the source; what is in the way is kept', () => {
    const dest = join(node, 'data');
    mkdirSync(dest);
    writeFileSync(join(dest, 'theirs'), 'x');
    writeFileSync(join(dest, 'a'), 'in the way');
    expect(sync(dest).conflicts.map(({ path, reason }) => [path, reason])).toEqual([['a', 'in-the-way']]);
    expect(readdirSync(dest).sort()).toEqual(['a', 'sub', 'theirs']);
    expect(readFileSync(join(dest, 'a'), 'utf8')).toBe('1');
  });

  test('a file where the node has a directory is refused, which stays', () => {
    const dest = join(node, 'data');
    mkdirSync(dest);
    writeFileSync(join(dest, 'theirs'), 'x');
    rmSync(source, { recursive: true });
    writeFileSync(source, 'one');
    expect(refusal(() => sync(dest)).message).toContain('is a directory on the node, the source is a file');
    expect(readFileSync(join(dest, 'theirs'), 'utf8')).toBe('x');
  });

  test('a destination below a file is refused', () => {
    writeFileSync(join(node, 'file'), 'x');
    expect(refusal(() => sync(join(node, 'file/set'))).message).toContain('is no directory');
  });

  test('a symlink that leads nowhere is refused', () => {
    symlinkSync('/nowhere/at/all', join(node, 'dangling'));
    expect(refusal(() => sync(join(node, 'dangling'))).message).toContain('leads nowhere');
  });

  test('a local node without a namespace keeps to its home, through symlinks too', () => {
    const reach: Reach = 'home';
    for (const dest of ['/tmp/x', '/data/x', join(node, 'data')])
      expect(refusal(() => sync(dest, { reach }))).toMatchObject({
        code: 'mount-destination-refused',
        message: expect.stringContaining('for want of a mount namespace'),
        hint: expect.stringContaining('unshare'),
      });
    symlinkSync(node, join(node, 'home/out'));
    expect(refusal(() => sync('~/out/data', { reach })).message).toContain('for want of a mount namespace');
    expect(existsSync(join(node, 'data'))).toBe(false);
    sync('~/in/data', { reach });
    expect(readFileSync(join(node, 'home/in/data/a'), 'utf8')).toBe('1');
  });
});
