import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { bytesOf } from '../../../protocol/base/root-path.ts';
import { posixMetadata } from '../../../protocol/store/posix-metadata.ts';
import { MemoryStore } from '../../helpers/memory-store.ts';
import { UploadBench } from '../../helpers/upload-bench.ts';

const large = Buffer.alloc((20 << 20) + 7, 'large');

describe('what is uploaded', () => {
  test('files with their bits and times, empty directories, symlinks; never .git, nor what is ignored', async () => {
    using bench = new UploadBench();
    const path = bench.write('a/run.sh', 'echo');
    chmodSync(path, 0o750);
    utimesSync(path, 1_500_000_000, 1_500_000_000);
    bench.write('.git/HEAD', 'x');
    bench.write('a/.git/HEAD', 'x');
    bench.write('.gitignore', '*.o\n');
    bench.write('a/x.o', 'x');
    bench.write('Grüße/ß', 'ü');
    mkdirSync(join(bench.root, 'empty/deeper'), { recursive: true });
    symlinkSync('a/run.sh', join(bench.root, 'link'));
    const result = await bench.run();
    expect([...bench.store.objects.keys()].sort()).toEqual(
      ['.gitignore', 'Grüße/ß', 'a/run.sh', 'empty/deeper/', 'link'].sort(),
    );
    expect(result).toMatchObject({ complete: true, files: 5, sent: 5 });
    const posix = (key: string) => {
      const object = bench.store.objects.get(key);
      return object === undefined ? undefined : posixMetadata(object);
    };
    expect(posix('a/run.sh')).toEqual({ kind: 'file', mode: 0o750, mtimeSec: 1_500_000_000, mtimeNsec: 0 });
    expect(posix('empty/deeper/')?.kind).toBe('dir');
    expect(bench.store.objects.get('empty/deeper/')).toMatchObject({ size: 0, contentType: 'application/x-directory' });
    expect(posix('link')?.kind).toBe('symlink');
    expect(bench.store.objects.get('link')?.metadata['mode']).toBe('41471');
    expect(bench.store.text('link')).toBe('a/run.sh');
    expect(bench.store.text('Grüße/ß')).toBe('ü');
  });

  test('times are kept to the nanosecond', async () => {
    using bench = new UploadBench();
    const { mtimeNs } = statSync(bench.write('a', 'a'), { bigint: true });
    await bench.run();
    const object = bench.store.objects.get('a');
    const posix = object === undefined ? undefined : posixMetadata(object);
    expect(BigInt(posix?.mtimeSec ?? 0) * 1_000_000_000n + BigInt(posix?.mtimeNsec ?? 0)).toBe(mtimeNs);
  });

  test('a list: each directory to its name, each file to its name', async () => {
    using bench = new UploadBench();
    bench.write('one/x', '1');
    bench.write('two', '2');
    mkdirSync(join(bench.root, 'three'));
    bench.store.set('one-more', 'not ours');
    const sources = ['one', 'two', 'three'].map((name) => ({ root: bytesOf(join(bench.root, name)), name }));
    await bench.run({ sources });
    expect([...bench.store.objects.keys()].sort()).toEqual(['one-more', 'one/x', 'three/', 'two']);
    await bench.run({ sources, mirror: true });
    expect(bench.writes).toEqual([]);
  });

  test('a large file in equal parts, and nothing is left of one that fails', async () => {
    using bench = new UploadBench();
    bench.write('large', large);
    bench.store.before = ({ text: call }) => {
      if (call === 'part large 2') throw new TowError('store-failed', 'no');
    };
    await expect(bench.run()).rejects.toMatchObject({ code: 'store-failed' });
    expect([bench.store.openUploads, bench.store.objects.size]).toEqual([0, 0]);
    bench.store.before = () => undefined;
    await bench.run();
    expect(bench.writes).toEqual(['complete large', 'part large 1', 'part large 2', 'part large 3', 'upload large']);
    expect(bench.store.objects.get('large')?.bytes.equals(large)).toBe(true);
    bench.settle();
    await bench.run();
    expect(bench.writes).toEqual([]);
  });

  test('parts grow so that there are no more than the service takes', async () => {
    using bench = new UploadBench(new MemoryStore({ maxParts: 2, partMultiple: 256 << 10 }));
    bench.write('large', large);
    await bench.run();
    expect(bench.writes).toEqual(['complete large', 'part large 1', 'part large 2', 'upload large']);
    expect(bench.store.objects.get('large')?.bytes.equals(large)).toBe(true);
  });

  test('many bytes at once wait for memory, and all arrive', async () => {
    using bench = new UploadBench();
    for (let n = 0; n < 24; n += 1) bench.write(`f${n}`, Buffer.alloc(7 << 20, n));
    await bench.run();
    for (let n = 0; n < 24; n += 1) expect(bench.store.objects.get(`f${n}`)?.bytes[6 << 20]).toBe(n);
  });

  test('cancelled, it leaves no upload open', async () => {
    using bench = new UploadBench();
    bench.write('large', large);
    const abort = new AbortController();
    bench.store.before = ({ text: call }) => {
      if (call === 'part large 1') abort.abort(new TowError('cancelled', 'cancelled'));
    };
    await expect(bench.run({}, abort.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect([bench.store.openUploads, bench.store.objects.size]).toEqual([0, 0]);
  });

  test('a name that is no UTF-8, or has a control character, is a problem', async () => {
    using bench = new UploadBench();
    writeFileSync(Buffer.from(`${bench.root}/\xff`, 'latin1'), 'x');
    bench.write('a\nb', 'x');
    bench.write('fine', 'x');
    const refused = await bench.run();
    expect([refused.complete, refused.problems.length, bench.store.objects.size]).toEqual([false, 2, 0]);
    const partial = await bench.run({ allowPartial: true });
    expect([partial.complete, partial.problems.length]).toEqual([true, 2]);
    expect([...bench.store.objects.keys()]).toEqual(['fine']);
  });

  test('rules that leave nothing are an error', async () => {
    using bench = new UploadBench();
    bench.write('.towignore', '*\n');
    await expect(bench.run()).rejects.toMatchObject({ code: 'nothing-to-sync' });
  });
});

describe('only what changed', () => {
  test('nothing, after nothing; by content, when times moved', async () => {
    using bench = new UploadBench();
    const a = bench.write('a', 'same');
    bench.write('b', 'old');
    bench.settle();
    await bench.run();
    await bench.run();
    expect(bench.writes).toEqual([]);
    utimesSync(a, 1, 1);
    await bench.run();
    expect(bench.writes).toEqual([]);
    bench.write('b', 'new');
    await bench.run();
    expect(bench.writes).toEqual(['put b']);
    expect(bench.store.text('b')).toBe('new');
  });

  test('an edit of the same size with the time set back is seen', async () => {
    using bench = new UploadBench();
    const a = bench.write('a', 'one');
    bench.settle();
    await bench.run();
    const { atime, mtime } = statSync(a);
    writeFileSync(a, 'two');
    utimesSync(a, atime, mtime);
    await bench.run();
    expect(bench.store.text('a')).toBe('two');
  });

  test('an edit in the same tick as the upload is seen by the next one', async () => {
    using bench = new UploadBench();
    bench.store.before = ({ text: call }) => {
      if (call === 'put a' && readFileSync(join(bench.root, 'a'), 'utf8') === 'one') bench.write('a', 'two');
    };
    bench.write('a', 'one');
    await bench.run();
    await bench.run();
    expect(bench.store.text('a')).toBe('two');
  });

  test("a mode alone is set on the service's side", async () => {
    using bench = new UploadBench();
    const a = bench.write('a', 'a');
    await bench.run();
    chmodSync(a, 0o700);
    await bench.run();
    expect(bench.writes).toEqual(['copy a']);
    expect(bench.store.objects.get('a')?.metadata['mode']).toBe(String(0o100700));
  });

  test('a file that became a symlink to a text of the same bytes', async () => {
    using bench = new UploadBench();
    bench.write('a', 'target');
    await bench.run();
    rmSync(join(bench.root, 'a'));
    symlinkSync('target', join(bench.root, 'a'));
    await bench.run();
    expect(bench.store.objects.get('a')?.metadata['mode']).toBe('41471');
  });

  test('what somebody deleted in the bucket comes back, what somebody changed there stays', async () => {
    using bench = new UploadBench();
    for (const name of ['a', 'b']) bench.write(name, name);
    bench.settle();
    await bench.run();
    bench.store.objects.delete('a');
    bench.store.set('b', "a job's");
    const { kept } = await bench.run();
    expect(bench.writes).toEqual(['put a']);
    expect(kept).toEqual(['b']);
    expect(bench.store.text('b')).toBe("a job's");
  });

  test('verify reads all, whatever the index says', async () => {
    using bench = new UploadBench();
    const a = bench.write('a', 'one');
    bench.settle();
    await bench.run();
    // As a store through a memory map that stat does not show: the index has the new stamps, and the old content.
    const line = readFileSync(bench.indexFile, 'utf8');
    writeFileSync(a, 'two');
    bench.settle();
    const { mtimeNs, ctimeNs } = statSync(a, { bigint: true });
    const stamps = /"(\d{10,})","(\d{10,})"/g;
    writeFileSync(bench.indexFile, line.replaceAll(stamps, `"${mtimeNs}","${ctimeNs}"`));
    await bench.run();
    expect(bench.store.text('a')).toBe('one');
    await bench.run({ verify: true });
    expect(bench.store.text('a')).toBe('two');
  });

  test('a file that changes while it is read is read again, small or large', async () => {
    using bench = new UploadBench();
    const path = bench.write('large', large);
    let changed = false;
    bench.store.before = ({ text: call }) => {
      if (call !== 'part large 2' || changed) return;
      changed = true;
      appendFileSync(path, 'more');
    };
    await bench.run();
    expect(bench.store.objects.get('large')?.bytes.equals(readFileSync(path))).toBe(true);
    expect(bench.store.openUploads).toBe(0);
  });

  test('one that never stands still is a problem; one that goes away is none', async () => {
    using bench = new UploadBench();
    const path = bench.write('large', large);
    bench.store.before = ({ text: call }) => {
      if (call === 'part large 3') appendFileSync(path, 'x');
      if (call === 'part large 4') truncateSync(path, large.length);
    };
    const { complete, problems } = await bench.run();
    expect([complete, problems.map(({ code }) => code)]).toEqual([false, ['source-unstable']]);
    expect([bench.store.objects.size, bench.store.openUploads]).toEqual([0, 0]);
    bench.store.before = ({ text: call }) => {
      if (call === 'upload large') rmSync(path);
    };
    bench.write('other', 'x');
    expect(await bench.run()).toMatchObject({ complete: true });
  });
});

describe('what Towline did not write', () => {
  test('is not replaced unless told', async () => {
    using bench = new UploadBench();
    bench.write('a', 'mine');
    bench.write('b', 'b');
    bench.store.set('a', 'theirs');
    await expect(bench.run()).rejects.toMatchObject({
      code: 'delete-refused',
      message: expect.stringContaining('"a"'),
    });
    expect([bench.store.text('a'), bench.store.text('b')]).toEqual(['theirs', undefined]);
    await bench.run({ allowDelete: true });
    expect(bench.store.text('a')).toBe('mine');
    bench.write('a', 'mine again');
    await bench.run();
    expect(bench.store.text('a')).toBe('mine again');
  });

  test('but what an upload wrote that was killed is ours, though the file was edited since, and a mirror removes it', async () => {
    using bench = new UploadBench();
    const a = bench.write('a', 'one');
    bench.write('b', 'one');
    bench.settle();
    await bench.run();
    bench.write('a', 'two');
    bench.write('new', 'new');
    bench.write('gone', 'gone');
    let written = Buffer.alloc(0);
    bench.store.before = ({ text: call }) => {
      if (call !== 'put new') return;
      // The last one: what is on the disk now is what a kill leaves.
      written = readFileSync(bench.indexFile);
    };
    await bench.run();
    bench.store.before = () => undefined;
    writeFileSync(bench.indexFile, written);
    writeFileSync(a, 'one');
    bench.write('new', 'edited');
    rmSync(join(bench.root, 'gone'));
    const { kept } = await bench.run({ mirror: true });
    expect(kept).toEqual([]);
    expect([...bench.store.objects.values()].map(({ key, bytes }) => `${key} ${bytes.toString()}`).sort()).toEqual(
      ['a one', 'b one', 'new edited'].sort(),
    );
  });

  test('nor when a job changed what was uploaded, and the file changed too', async () => {
    using bench = new UploadBench();
    bench.write('a', 'one');
    await bench.run();
    bench.store.set('a', "a job's");
    bench.write('a', 'two');
    await expect(bench.run()).rejects.toMatchObject({ code: 'delete-refused' });
    expect(bench.store.text('a')).toBe("a job's");
  });

  test('nor when it is written meanwhile, where the service can tell', async () => {
    using bench = new UploadBench();
    bench.write('a', 'mine');
    bench.store.before = ({ text: call }) => {
      if (call === 'put a') bench.store.set('a', 'theirs');
    };
    await expect(bench.run()).rejects.toMatchObject({ code: 'object-changed' });
    expect(bench.store.text('a')).toBe('theirs');
  });

  test('of the same bytes is taken as it is, and stays theirs', async () => {
    using bench = new UploadBench();
    bench.write('a', 'same');
    bench.write('b', 'b');
    const theirs = bench.store.set('a', 'same', { contentType: 'text/plain' });
    await bench.run();
    expect(bench.writes).toEqual(['put b']);
    expect(bench.store.objects.get('a')).toBe(theirs);
    rmSync(join(bench.root, 'a'));
    await bench.run({ mirror: true });
    expect(bench.store.text('a')).toBe('same');
    bench.write('a', 'other');
    await expect(bench.run()).rejects.toMatchObject({ code: 'delete-refused' });
  });

  test.each([true, false])(
    'a lost index costs heads; what was ours still is (version is MD5: %s)',
    async (versionIsMd5) => {
      using bench = new UploadBench(new MemoryStore({ versionIsMd5 }));
      bench.write('a', 'a');
      bench.write('large', large);
      await bench.run();
      rmSync(bench.indexFile);
      await bench.run();
      expect(bench.writes.filter((call) => call.endsWith(' a'))).toEqual([]);
      bench.write('a', 'edited');
      await bench.run();
      expect(bench.store.text('a')).toBe('edited');
    },
  );

  test('an index of another place has nothing of ours', async () => {
    using bench = new UploadBench();
    bench.write('a', 'a');
    await bench.run();
    bench.store.objects.clear();
    bench.store.set('a', 'theirs');
    await expect(bench.run({ place: 'elsewhere' })).rejects.toMatchObject({ code: 'delete-refused' });
  });
});

describe('mirror', () => {
  test('removes what was uploaded and is gone, and nothing else', async () => {
    using bench = new UploadBench();
    for (const name of ['a', 'b', 'c', 'd']) bench.write(name, name);
    await bench.run();
    bench.store.set('outputs/x', "a job's");
    bench.store.set('b', 'changed by a job');
    for (const name of ['a', 'b']) rmSync(join(bench.root, name));
    await bench.run();
    expect(bench.store.text('a')).toBe('a');
    const { removed } = await bench.run({ mirror: true });
    expect(removed).toBe(1);
    expect([...bench.store.objects.keys()].sort()).toEqual(['b', 'c', 'd', 'outputs/x']);
  });

  test('does not touch what came from another source', async () => {
    using bench = new UploadBench();
    bench.write('one/a', 'a');
    bench.write('two/b', 'b');
    const source = (name: string) => [{ root: bytesOf(join(bench.root, name)), name: '' }];
    await bench.run({ sources: source('one') });
    await bench.run({ sources: source('two'), mirror: true });
    expect([...bench.store.objects.keys()].sort()).toEqual(['a', 'b']);
  });

  test('a source that lost most of what it had is refused', async () => {
    using bench = new UploadBench();
    for (let n = 0; n < 120; n += 1) bench.write(`f${n}`, `${n}`);
    await bench.run();
    for (let n = 0; n < 70; n += 1) rmSync(join(bench.root, `f${n}`));
    await expect(bench.run({ mirror: true })).rejects.toMatchObject({ code: 'delete-refused' });
    expect(bench.store.objects.size).toBe(120);
    await bench.run({ mirror: true, allowDelete: true });
    expect(bench.store.objects.size).toBe(50);
  });

  test('nothing is removed while something cannot be read', async () => {
    using bench = new UploadBench();
    bench.write('a', 'a');
    bench.write('b', 'b');
    await bench.run();
    rmSync(join(bench.root, 'a'));
    bench.write('c\nd', 'x');
    await bench.run({ mirror: true, allowPartial: true });
    expect(bench.store.text('a')).toBe('a');
  });
});

describe('the index', () => {
  test('is appended to as objects arrive, so that a failed upload goes on', async () => {
    using bench = new UploadBench();
    for (let n = 0; n < 200; n += 1) bench.write(`f${n}`, `${n}`);
    let puts = 0;
    bench.store.before = () => {
      puts += 1;
      if (puts > 150) throw new TowError('store-failed', 'no');
    };
    await expect(bench.run()).rejects.toMatchObject({ code: 'store-failed' });
    bench.store.before = () => undefined;
    const there = bench.store.objects.size;
    await bench.run();
    expect(bench.writes.length).toBe(200 - there);
    expect(bench.store.objects.size).toBe(200);
  });

  test('with a torn end, or bytes that are none, loses those lines and nothing else', async () => {
    using bench = new UploadBench();
    for (const name of ['a', 'b']) bench.write(name, name);
    await bench.run();
    const lines = readFileSync(bench.indexFile, 'utf8').split('\n');
    writeFileSync(bench.indexFile, `${lines.slice(0, 2).join('\n')}\n[1]\n{"\n${lines[2]?.slice(0, 20)}`);
    await bench.run();
    expect(bench.writes).toEqual([]);
    bench.write('a', 'a2');
    bench.write('b', 'b2');
    await bench.run();
    expect([bench.store.text('a'), bench.store.text('b')]).toEqual(['a2', 'b2']);
  });

  test('is written anew when most of it is out of date, and is private', async () => {
    using bench = new UploadBench();
    for (let n = 0; n < 300; n += 1) {
      bench.write('a', `${n}`);
      await bench.run();
    }
    expect(readFileSync(bench.indexFile, 'utf8').split('\n').length).toBeLessThan(100);
    expect(statSync(bench.indexFile).mode & 0o777).toBe(0o600);
  });
});
