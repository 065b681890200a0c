/** The files of a scan, sent as they are read: to whoever wants them, as fast as each takes them, and never in the scan's way. */
import { linkSync, mkdirSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cancelled } from '../../protocol/base/abort.ts';
import { bytesOf, joinPath } from '../../protocol/base/root-path.ts';
import { digestOf } from '../../protocol/chunk/digest.ts';
import { chunkCount, chunkRecord, type Entry, isHole } from '../../protocol/chunk/entry.ts';
import { decodeFilePack, type PackedFile } from '../../protocol/chunk/file-pack.ts';
import type { Manifest } from '../../protocol/chunk/manifest.ts';
import { unpackBody } from '../../protocol/chunk/pack.ts';
import { FilesInAdvance } from '../../protocol/pull/replica/files-in-advance.ts';
import { Advance } from '../../protocol/pull/source/advance.ts';
import type { SendFrame } from '../../protocol/pull/source/pack-sender.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { codeOf } from '../helpers/code-of.ts';
import { GitRepository } from '../helpers/git-repository.ts';
import { noise } from '../helpers/noise.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { pull, sessionOptions } from '../helpers/pull.ts';
import { SourceBench } from '../helpers/source-bench.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

const { signal } = new AbortController();

let bench: SourceBench;
let source: Source;
beforeEach(async () => {
  bench = await SourceBench.make();
  mkdirSync(bench.root);
  source = await bench.open();
});
afterEach(async () => {
  vi.useRealTimers();
  await bench[Symbol.asyncDispose]();
});

function write(path: string, bytes: Uint8Array | string): void {
  mkdirSync(join(bench.root, path, '..'), { recursive: true });
  writeFileSync(join(bench.root, path), bytes);
}

/** Takes frames apart: for each state of a file, what came of it. */
class Received {
  readonly files = new Map<string, { readonly file: PackedFile; readonly lists: Map<number, string> }>();
  frames = 0;

  readonly send: SendFrame = async (...parts) => {
    const frame = Buffer.concat(parts);
    expect(frame.length).toBeLessThanOrEqual(limits.dataFrameBytes);
    this.frames += 1;
    const pack = decodeFilePack(frame, limits);
    if (pack.codec === 'git') return;
    const raw = Buffer.from(unpackBody(pack));
    let at = 0;
    for (const file of pack.files) {
      const key = keyOf(file.path, file);
      const known = this.files.get(key) ?? { file, lists: new Map<number, string>() };
      this.files.set(key, known);
      const length = file.lengths.reduce((sum, each) => sum + each, 0);
      let content = '';
      for (const each of file.lengths) {
        content += chunkRecord(digestOf(raw.subarray(at, at + each)), each);
        at += each;
      }
      known.lists.set(file.offset, content);
      expect(file.offset + length + file.rest).toBe(known.file.offset + sizeOf(known.file));
    }
  };

  /** The chunk list of what came of a file as an entry says it is; undefined if nothing did. */
  listOf(path: string, entry: Entry): string | undefined {
    const known = this.files.get(keyOf(path, entry));
    if (known === undefined) return undefined;
    const pieces = [...known.lists].sort(([a], [b]) => a - b);
    return pieces.map(([, list]) => list).join('');
  }
}

const sizeOf = ({ lengths, rest }: PackedFile): number => lengths.reduce((sum, each) => sum + each, 0) + rest;
const keyOf = (path: string, { mode, mtimeSec, mtimeNsec }: Pick<Entry, 'mode' | 'mtimeSec' | 'mtimeNsec'>): string =>
  `${path} ${mode} ${mtimeSec}.${mtimeNsec}`;

function* filesOf(manifest: Manifest): Generator<{ readonly path: string; readonly entry: Entry }> {
  for (const [directory, { entries }] of manifest.directories)
    for (const entry of entries) if (entry.kind === 'file') yield { path: joinPath(directory, entry.name), entry };
}

function hasHole({ content }: Entry): boolean {
  return Array.from({ length: chunkCount(content) }, (_, at) => isHole(content, at)).includes(true);
}

/** Scans with these receivers; waits until all of them have what they get. */
async function scan(
  sends: readonly SendFrame[],
  level?: 'near' | 'far',
  fromGit = false,
): Promise<{ readonly snapshot: Snapshot; readonly ended: readonly PromiseSettledResult<void>[] }> {
  const advance = new Advance();
  const receiving: Promise<void>[] = [];
  advance.open(
    level,
    () => {
      for (const send of sends) {
        const one = advance.expect().receive(send, signal);
        one.catch(() => undefined);
        receiving.push(one);
      }
    },
    fromGit,
  );
  const snapshot = await source.snapshot({ verify: false, advance }, signal);
  advance.end();
  return { snapshot, ended: await Promise.allSettled(receiving) };
}

function someTree(): void {
  write('.git/pack', noise(1, 5_000_000));
  write('text/large', Array.from({ length: 300_000 }, (_, n) => `line ${n * n}\n`).join(''));
  for (let n = 0; n < 600; n += 1) write(`d${n % 7}/f${n}`, n % 3 === 0 ? noise(n, n * 40) : `line ${n}\n`.repeat(n));
  write('empty', '');
  write('odd \xff name', noise(2, 1 << 20));
  write('just over', noise(3, (1 << 20) + 1));
  linkSync(join(bench.root, 'd1/f1'), join(bench.root, 'z'));
  symlinkSync('d1/f1', join(bench.root, 'link'));
}

test.each([undefined, 'near', 'far'] as const)(
  'every file comes once, as the manifest says it is: %s',
  async (level) => {
    someTree();
    write('sparse', 'x');
    truncateSync(join(bench.root, 'sparse'), 3_000_000);
    const received = new Received();
    const { snapshot } = await scan([received.send], level);
    let files = 0;
    for (const { path, entry } of filesOf(snapshot.manifest)) {
      files += 1;
      if (hasHole(entry)) expect(received.listOf(path, entry)).toBeUndefined();
      else expect([path, received.listOf(path, entry) === entry.content]).toEqual([path, true]);
    }
    expect(files).toBe(606);
    expect(received.files.size).toBe(605);
  },
);

test('what git has packed is named on a slow link, and only there', async () => {
  someTree();
  write('below 32 MiB', Buffer.alloc(9_000_000, 'text of a large file '));
  const repository = new GitRepository(bench.root, join(bench.top, 'scratch'));
  rmSync(join(bench.root, '.git/pack'));
  repository.pack();
  write('untracked', noise(77, 2_000_000));
  write('d1/f1', 'changed since');
  const node = join(bench.top, 'node');
  mkdirSync(join(node, 'home'), { recursive: true });
  const snapshot = plainSnapshot(bench.root);
  const packed = statSync(join(bench.root, `${repository.packPath}.pack`)).size;
  for (const [level, fromGit] of [
    ['far', true],
    ['far', false],
    ['near', true],
    [undefined, true],
  ] as const) {
    const advance = FilesInAdvance.begin(sessionOptions(snapshot, { node }));
    let bytes = 0;
    let named = 0;
    const send: SendFrame = async (...parts) => {
      const frame = Buffer.concat(parts);
      bytes += frame.length;
      const pack = decodeFilePack(frame, limits);
      if (pack.codec === 'git') named += pack.files.length;
      advance?.take(frame);
      advance?.makePromised();
    };
    source = await bench.open({ indexFile: join(bench.top, `index of ${level} ${fromGit}`) });
    await scan([send], level, fromGit);
    while (advance?.makePromised().more === true);
    advance?.end();
    expect(pull(snapshot, { node, advance }).fetchedBytes).toBe(0);
    expect(missingOrDifferent(readTree(bench.root), readTree(join(node, 'home/work')))).toEqual([]);
    if (level === 'far' && fromGit) {
      // All files that are tracked, but for what is empty and what was changed.
      expect(named).toBe(602);
      expect(bytes).toBeLessThan(packed + 2_000_000 + 200_000);
    } else {
      expect(named).toBe(0);
      expect(bytes).toBeGreaterThan(1.5 * packed);
    }
    rmSync(node, { recursive: true });
    mkdirSync(join(node, 'home'), { recursive: true });
  }
});

test('to two replicas at once; the slower one does without, and holds up nobody', async () => {
  someTree();
  for (let n = 0; n < 30; n += 1) write(`more/${n}`, noise(100 + n, 900_000));
  const [fast, slow] = [new Received(), new Received()];
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const advance = new Advance();
  const receiving: Promise<void>[] = [];
  advance.open(undefined, () => {
    receiving.push(advance.expect().receive(fast.send, signal));
    const late: SendFrame = async (...parts) => {
      await released;
      await slow.send(...parts);
    };
    receiving.push(advance.expect().receive(late, signal));
  });
  const snapshot = await source.snapshot({ verify: false, advance }, signal);
  advance.end();
  await receiving[0];
  for (const { path, entry } of filesOf(snapshot.manifest))
    expect([path, fast.listOf(path, entry) === entry.content]).toEqual([path, true]);
  expect(slow.frames).toBe(0);
  release();
  await receiving[1];
  expect(slow.frames).toBeGreaterThan(0);
  expect(slow.frames).toBeLessThan(fast.frames);
});

test('nobody is waited for who does not want any, and who goes is not missed', async () => {
  someTree();
  const declined = new Advance();
  declined.open('near', () => declined.expect().decline());
  const plain = await source.snapshot({ verify: false, advance: declined }, signal);
  const broken: SendFrame = async () => {
    throw new Error('the link is gone');
  };
  const again = await (await bench.open({ indexFile: join(bench.top, 'other') })).snapshot({ verify: true }, signal);
  expect(again.digest).toBe(plain.digest);
  source = await bench.open({ indexFile: join(bench.top, 'third') });
  const { snapshot, ended } = await scan([broken]);
  expect(snapshot.digest).toBe(plain.digest);
  expect(ended.map(({ status }) => status)).toEqual(['rejected']);
});

test('nobody is asked when there is nothing to read, or the root is a file', async () => {
  someTree();
  await source.snapshot({ verify: false }, signal);
  const first = await source.snapshot({ verify: false }, signal);
  let invited = 0;
  const advance = new Advance();
  advance.open('near', () => void (invited += 1));
  const second = await source.snapshot({ verify: false, advance }, signal);
  const file = await bench.open({ root: bytesOf(join(bench.root, '.git/pack')), indexFile: join(bench.top, 'file') });
  const { manifest } = await file.snapshot({ verify: false, advance }, signal);
  expect([second.digest === first.digest, manifest.root.size, invited]).toEqual([true, 5_000_000, 0]);
});

test('a scan that is cancelled does not wait for a replica that takes nothing', async () => {
  for (let n = 0; n < 40; n += 1) write(`f${n}`, noise(n, 900_000));
  const stop = new AbortController();
  const advance = new Advance();
  const stuck: SendFrame = async () => {
    stop.abort(cancelled());
    await new Promise<void>(() => undefined);
  };
  advance.open(undefined, () => void advance.expect().receive(stuck, signal));
  expect(await codeOf(source.snapshot({ verify: false, advance }, stop.signal))).toBe('cancelled');
  advance.end();
  expect((await source.snapshot({ verify: false }, signal)).totals.files).toBe(40);
});

test('a scan goes on without a replica that does not answer, or takes nothing for long', async () => {
  for (let n = 0; n < 40; n += 1) write(`f${n}`, noise(n, 900_000));
  const silent = new Advance({ answerMs: 10, holdMs: 60_000 });
  silent.open(undefined, () => void silent.expect());
  const first = await source.snapshot({ verify: false, advance: silent }, signal);
  silent.end();
  const stuck = new Advance({ answerMs: 60_000, holdMs: 50 });
  let frames = 0;
  const hang: SendFrame = async () => {
    frames += 1;
    await new Promise<void>(() => undefined);
  };
  stuck.open(undefined, () => void stuck.expect().receive(hang, signal));
  const anew = await bench.open({ indexFile: join(bench.top, 'other') });
  const second = await anew.snapshot({ verify: false, advance: stuck }, signal);
  stuck.end();
  expect([first.totals.files, second.digest === first.digest, frames]).toEqual([40, true, 1]);
});

test('a scan waits for a slow replica as long as something gets through, unless somebody waits for the scan', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const advance = new Advance({ answerMs: 1e6, holdMs: 500 });
  const through: (() => void)[] = [];
  advance.open(undefined, () => {
    const send: SendFrame = async () => await new Promise<void>((resolve) => through.push(resolve));
    advance
      .expect()
      .receive(send, signal)
      .catch(() => undefined);
  });
  const batch = async (): Promise<void> => {
    const carry = await advance.room(1000, 'plain', signal);
    if (carry === undefined) throw new Error('nobody wants files');
    advance.take(carry, [{ header: Buffer.alloc(10), from: 0, length: 1000, rawBytes: 1000 }]);
  };
  const turn = async (): Promise<void> => await new Promise((resolve) => void setImmediate(resolve));
  await batch();
  await turn();
  for (let n = 0; n < 5; n += 1) {
    vi.advanceTimersByTime(400);
    through.shift()?.();
    await turn();
    await batch();
    await turn();
    expect(advance.batchBytes).toBeDefined();
  }
  advance.hurry();
  vi.advanceTimersByTime(400);
  through.shift()?.();
  await turn();
  expect(advance.batchBytes).toBeDefined();
  vi.advanceTimersByTime(100);
  expect(advance.batchBytes).toBeUndefined();
  advance.end();
});

test('a snapshot that is asked for meanwhile hurries the scan', async () => {
  for (let n = 0; n < 40; n += 1) write(`f${n}`, noise(n, 900_000));
  const advance = new Advance({ answerMs: 1e6, holdMs: 300 });
  const hurried = vi.spyOn(advance, 'hurry');
  let second: Promise<Snapshot> | undefined;
  const hang: SendFrame = async () => {
    second ??= source.snapshot({ verify: false }, signal);
    await new Promise<void>(() => undefined);
  };
  advance.open(undefined, () => void advance.expect().receive(hang, signal));
  const first = await source.snapshot({ verify: false, advance }, signal);
  advance.end();
  expect([(await second)?.digest === first.digest, hurried.mock.calls.length > 0]).toEqual([true, true]);
});

test('what is only named waits for nobody, and is not sent without bound', async () => {
  const advance = new Advance();
  const got: Buffer[] = [];
  const slow: { go: () => void } = { go: () => undefined };
  const held = new Promise<void>((resolve) => {
    slow.go = resolve;
  });
  const receiving: Promise<void>[] = [];
  advance.open('far', () => {
    const fast: SendFrame = async (...parts) => void got.push(Buffer.concat(parts));
    receiving.push(advance.expect().receive(fast, signal));
    const stuck: SendFrame = async () => await held;
    receiving.push(advance.expect().receive(stuck, signal));
  });
  for (let n = 0; n < 400; n += 1) {
    const carry = await advance.room(1000, 'packed', signal);
    if (carry === undefined) throw new Error('nobody wants files');
    expect(carry.quality).toBe(5);
    advance.take(carry, [{ header: Buffer.from(`${n}`), from: 0, length: 0, rawBytes: 0 }]);
  }
  advance.end();
  await receiving[0];
  // All of them, in order: it took each at once. The other one has done without some.
  expect(got.map(String)).toEqual(Array.from({ length: 400 }, (_, n) => `${n}`));
  slow.go();
  await receiving[1];
});

test('what changed while it was sent is put in place as it is in the end', async () => {
  for (let n = 0; n < 300; n += 1) write(`d${n % 5}/f${n}`, noise(n, 20_000));
  write('large', noise(7, 6_000_000));
  const node = join(bench.top, 'node');
  mkdirSync(join(node, 'home'), { recursive: true });
  const advance = FilesInAdvance.begin(sessionOptions(plainSnapshot(bench.root), { node }));
  let round = 0;
  const send: SendFrame = async (...parts) => {
    round += 1;
    for (let n = round % 10; n < 300; n += 10) {
      const path = `d${n % 5}/f${n}`;
      write(path, noise(1000 * round + n, 20_000));
      // Of this size and these times there are many states of a file.
      utimesSync(join(bench.root, path), 4.99e8, 4.99e8);
    }
    if (round % 5 === 0) write('large', noise(round, 6_000_000));
    advance?.take(Buffer.concat(parts));
  };
  await scan([send]);
  expect(round).toBeGreaterThan(5);
  const { fetchedBytes } = pull(plainSnapshot(bench.root), { node, advance });
  expect(missingOrDifferent(readTree(bench.root), readTree(join(node, 'home/work')))).toEqual([]);
  expect(fetchedBytes).toBeGreaterThan(0);
  expect(fetchedBytes).toBeLessThan(12_000_000);
});
