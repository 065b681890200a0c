/** What SEMANTICS.md promises about deletes, conflicts and destinations, case by case, each by its name there. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { manifestDigest } from '../../protocol/chunk/manifest.ts';
import { setPathMtime } from '../../protocol/libc/libc.ts';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { restoreKept } from '../../protocol/pull/replica/restore.ts';
import { noise } from '../helpers/noise.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullSetup, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';
let work = '';

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'sem-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  work = join(node, 'home/work');
  mkdirSync(source);
  mkdirSync(join(node, 'home'), { recursive: true });
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function sync(setup: Partial<PullSetup> = {}): ReturnType<typeof pull> {
  return pull(plainSnapshot(source), { node, allowDelete: false, ...setup });
}

function text(path: string): string {
  return readFileSync(join(work, path), 'utf8');
}

function kept() {
  return new KeptVersions(join(node, 'conflicts')).list();
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof TowError ? error.code : `no TowError: ${String(error)}`;
  }
  return 'no error';
}

describe('deletes', () => {
  test('what the source no longer has is removed, what Towline did not put there is not', () => {
    write(source, 'a', '1');
    write(source, 'dir/b', '2');
    sync();
    write(work, 'out/result', 'mine');
    rmSync(join(source, 'dir'), { recursive: true });
    sync();
    expect(readdirSync(work).sort()).toEqual(['a', 'out']);
    expect(text('out/result')).toBe('mine');
  });

  test('(a) newly ignored at the source: stays on the node, leaves the ledger', () => {
    write(source, 'a', '1');
    write(source, 'cache/x', '2');
    sync();
    rmSync(join(source, 'cache'), { recursive: true });
    const ignored = (path: string): boolean => path.startsWith('cache');
    expect(sync({ ignored }).removed).toBe(0);
    expect(text('cache/x')).toBe('2');
    sync();
    expect(text('cache/x')).toBe('2');
  });

  test('(b) deleted at the source but changed on the node: moved to conflicts', () => {
    write(source, 'a', '1');
    write(source, 'b', '2');
    sync();
    write(work, 'b', 'precious');
    rmSync(join(source, 'b'));
    expect(sync().conflicts.map(({ path, reason }) => [path, reason])).toEqual([['b', 'deleted-at-source']]);
    expect(readFileSync(kept()[0]?.data ?? '', 'utf8')).toBe('precious');
    expect(readdirSync(work)).toEqual(['a']);
  });

  test('(c) something of the node in the way: same bytes are adopted', () => {
    write(source, 'a', 'same');
    write(work, 'a', 'same');
    const { conflicts, fetchedBytes } = sync();
    expect([conflicts, fetchedBytes]).toEqual([[], 0]);
    expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
  });

  test('(c) something of the node in the way: else moved whole to conflicts first', () => {
    write(source, 'a', 'file');
    write(work, 'a/deep/one', '1');
    write(work, 'a/two', '2');
    expect(sync().conflicts.map(({ path, reason }) => [path, reason])).toEqual([['a', 'in-the-way']]);
    expect(text('a')).toBe('file');
    expect(readFileSync(join(kept()[0]?.data ?? '', 'deep/one'), 'utf8')).toBe('1');
    expect(readFileSync(join(kept()[0]?.data ?? '', 'two'), 'utf8')).toBe('2');
  });

  test('(d) a directory of ours with something of theirs in it stays', () => {
    write(source, 'a', '1');
    write(source, 'dir/b', '2');
    sync();
    write(work, 'dir/theirs', 'x');
    rmSync(join(source, 'dir'), { recursive: true });
    expect(sync().conflicts).toEqual([]);
    expect(readdirSync(join(work, 'dir'))).toEqual(['theirs']);
  });

  test('(e) an empty source is refused, and taken with --allow-delete', () => {
    write(source, 'a', '1');
    sync();
    rmSync(join(source, 'a'));
    expect(codeOf(() => sync())).toBe('delete-refused');
    expect(text('a')).toBe('1');
    sync({ allowDelete: true });
    expect(readdirSync(work)).toEqual([]);
  });

  test('(e) another workdir than last time is refused', () => {
    write(source, 'a', '1');
    sync({ source: 'laptop:/one' });
    expect(codeOf(() => sync({ source: 'laptop:/two' }))).toBe('delete-refused');
    sync({ source: 'laptop:/two', allowDelete: true });
    sync({ source: 'laptop:/two' });
  });

  test('(e) a source that lacks more than half of 100 or more files is refused, one that lacks half is not', () => {
    for (let n = 0; n < 100; n += 1) write(source, `f${n}`, String(n));
    sync();
    for (let n = 0; n < 50; n += 1) rmSync(join(source, `f${n}`));
    write(source, 'keep', '');
    sync();
    for (let n = 0; n < 50; n += 1) write(source, `f${n}`, String(n));
    sync();
    for (let n = 0; n < 51; n += 1) rmSync(join(source, `f${n}`));
    expect(codeOf(() => sync())).toBe('delete-refused');
    expect(readdirSync(work).length).toBe(101);
  });
});

describe('conflicts', () => {
  test('the source wins, the changed version is kept and can be put back', () => {
    write(source, 'a', '1');
    sync();
    write(work, 'a', 'node');
    write(source, 'a', 'new');
    const { conflicts } = sync();
    expect(conflicts.map(({ path, reason }) => [path, reason])).toEqual([['a', 'changed']]);
    expect(text('a')).toBe('new');
    restoreKept(new KeptVersions(join(node, 'conflicts')), conflicts[0]?.id ?? '');
    expect(text('a')).toBe('node');
    expect(readFileSync(kept()[0]?.data ?? '', 'utf8')).toBe('new');
  });

  test('a change of times or mode alone is no conflict and is put right', () => {
    write(source, 'a', '1');
    write(source, 'dir/b', '1');
    sync();
    chmodSync(join(work, 'a'), 0o600);
    setPathMtime(Buffer.from(join(work, 'dir')), 5, 5);
    const { conflicts, fetchedBytes } = sync();
    expect([conflicts, fetchedBytes]).toEqual([[], 0]);
    expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
  });

  test('an edit on the node that keeps size and mtime is seen', () => {
    write(source, 'a', '1111');
    sync();
    const { mtimeMs } = statSync(join(work, 'a'));
    writeFileSync(join(work, 'a'), '2222');
    setPathMtime(Buffer.from(join(work, 'a')), Math.floor(mtimeMs / 1000), 0);
    expect(sync().conflicts.length).toBe(1);
    expect(text('a')).toBe('1111');
  });

  test('an edit on the node while a sync takes chunks from that file: kept, and not in what is new', () => {
    const big = noise(1, 200_000);
    writeFileSync(join(source, 'big'), big);
    sync();
    outlastClockGrain(join(work, 'big'));
    const mine = Buffer.from(big);
    mine.fill(7, 150_000, 151_000);
    writeFileSync(join(source, 'big'), Buffer.concat([big, Buffer.from('more')]));
    const { mtime } = statSync(join(work, 'big'));
    const result = sync({
      before: (step) => {
        if (step !== 'reuse') return;
        writeFileSync(join(work, 'big'), mine);
        utimesSync(join(work, 'big'), mtime, mtime);
      },
    });
    expect(readFileSync(join(work, 'big')).equals(readFileSync(join(source, 'big')))).toBe(true);
    expect(result.conflicts.map(({ path }) => path)).toEqual(['big']);
    expect(kept().map(({ data }) => readFileSync(data).equals(mine))).toEqual([true]);
    expect(result.reusedBytes).toBeGreaterThan(100_000);
  });

  test('both sides made the same change: no conflict', () => {
    write(source, 'a', '1');
    sync();
    write(work, 'a', 'both');
    write(source, 'a', 'both');
    expect(sync().conflicts).toEqual([]);
  });

  test('a symlink that a job put in place of a directory is not followed', () => {
    write(source, 'dir/b', '1');
    sync();
    const outside = join(node, 'outside');
    write(outside, 'b', 'outside');
    rmSync(join(work, 'dir'), { recursive: true });
    symlinkSync(outside, join(work, 'dir'));
    write(source, 'dir/b', '2');
    sync();
    expect(readFileSync(join(outside, 'b'), 'utf8')).toBe('outside');
    expect(lstatSync(join(work, 'dir')).isDirectory()).toBe(true);
    expect(text('dir/b')).toBe('2');
    expect(kept().map(({ path }) => path)).toEqual(['dir']);
  });

  test('in .git, index, locks and logs are overwritten silently; moved refs are one conflict', () => {
    for (const [path, body] of [
      ['HEAD', 'ref: main'],
      ['index', 'i1'],
      ['logs/HEAD', 'l1'],
      ['refs/heads/main', 'r1'],
      ['refs/heads/dev', 'd1'],
    ] as const) {
      write(source, `.git/${path}`, body);
    }
    write(source, 'a', '1');
    sync();
    for (const path of ['HEAD', 'index', 'logs/HEAD', 'refs/heads/main', 'refs/heads/dev', 'index.lock'])
      write(work, `.git/${path}`, `node ${path}`);
    const { conflicts } = sync();
    expect(conflicts.map(({ path, reason }) => [path, reason])).toEqual([['.git', 'git-state']]);
    const data = kept()[0]?.data ?? '';
    expect(readFileSync(join(data, 'refs/heads/main'), 'utf8')).toBe('node refs/heads/main');
    expect(readdirSync(data).sort()).toEqual(['HEAD', 'refs']);
    expect(text('.git/index')).toBe('i1');
    expect(text('.git/HEAD')).toBe('ref: main');
    restoreKept(new KeptVersions(join(node, 'conflicts')), conflicts[0]?.id ?? '');
    expect(text('.git/HEAD')).toBe('node HEAD');
    expect(text('.git/refs/heads/dev')).toBe('node refs/heads/dev');
  });

  test('kept versions go away by prune alone', () => {
    write(source, 'a', '1');
    sync();
    write(work, 'a', 'x');
    write(source, 'a', '2');
    sync();
    sync();
    expect(kept().length).toBe(1);
    new KeptVersions(join(node, 'conflicts')).prune(kept()[0]?.id ?? '');
    expect(kept()).toEqual([]);
  });
});

describe('roots and destinations', () => {
  test('a single file is a root', () => {
    rmSync(source, { recursive: true });
    writeFileSync(source, 'one');
    sync({ dest: '~/.vimrc' });
    expect(readFileSync(join(node, 'home/.vimrc'), 'utf8')).toBe('one');
    writeFileSync(source, 'two');
    sync({ dest: '~/.vimrc' });
    expect(readFileSync(join(node, 'home/.vimrc'), 'utf8')).toBe('two');
    writeFileSync(join(node, 'home/.vimrc'), 'node');
    writeFileSync(source, 'three');
    expect(sync({ dest: '~/.vimrc' }).conflicts.length).toBe(1);
  });

  test('a root may turn from a file into a directory and back', () => {
    rmSync(source, { recursive: true });
    writeFileSync(source, 'one');
    sync();
    rmSync(source);
    write(source, 'in/x', '1');
    sync();
    expect(missingOrDifferent(readTree(source), readTree(work))).toEqual([]);
    rmSync(source, { recursive: true });
    writeFileSync(source, 'two');
    sync({ allowDelete: true });
    expect(readFileSync(work, 'utf8')).toBe('two');
  });

  test('a destination that is a symlink to a directory is followed', () => {
    write(source, 'a', '1');
    mkdirSync(join(node, 'big'));
    symlinkSync(join(node, 'big'), work);
    sync();
    expect(lstatSync(work).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(node, 'big/a'), 'utf8')).toBe('1');
  });

  test.each(['~/../x', '~/.towline/agent', 'relative', '~'])('%s is refused', (dest) => {
    write(source, 'a', '1');
    expect(codeOf(() => sync({ dest }))).toBe('mount-destination-refused');
  });

  test('a source path that could not be read leaves what the node has', () => {
    write(source, 'a', '1');
    write(source, 'dir/b', '2');
    sync();
    const snapshot = plainSnapshot(source);
    const unreadable = (name: string) => ({
      kind: 'unknown' as const,
      name,
      mode: 0,
      mtimeSec: 0,
      mtimeNsec: 0,
      size: 0,
      content: '',
    });
    const directories = new Map(snapshot.manifest.directories);
    directories.set('', { path: '', entries: [unreadable('a'), unreadable('dir')] });
    directories.delete('dir');
    const manifest = { root: snapshot.manifest.root, directories };
    pull({ manifest, digest: manifestDigest(manifest), chunks: [] }, { node, allowDelete: false });
    expect([text('a'), text('dir/b')]).toEqual(['1', '2']);
    rmSync(join(source, 'dir'), { recursive: true });
    sync();
    expect(readdirSync(work)).toEqual(['a']);
  });
});
