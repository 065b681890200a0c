/** A pull that makes files from git packs which it has, or which come meanwhile: as they are to be, or fetched after all. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeFilePack, encodeFilePackHeader, encodeObjectPack } from '../../protocol/chunk/file-pack.ts';
import { findObjects } from '../../protocol/pull/source/find-objects-task.ts';
import { gitPacksOf } from '../../protocol/pull/source/git-packs.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { GitRepository } from '../helpers/git-repository.ts';
import { noise } from '../helpers/noise.ts';
import { type PlainSnapshot, packsOf, plainSnapshot } from '../helpers/plain-source.ts';
import { type FromGitSetup, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';
let repository: GitRepository;

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'from-git-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  mkdirSync(join(node, 'home'), { recursive: true });
  for (let n = 0; n < 60; n += 1) {
    write(`d${n % 6}/text${n}`, `line ${n}\n`.repeat(n * 30));
    write(`d${n % 5}/noise${n}`, noise(n, 3000));
  }
  write('large', Buffer.concat([noise(1, 1_500_000), Buffer.alloc(900_000, 'text ')]));
  repository = new GitRepository(source, join(top, 'scratch'));
  repository.pack();
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function write(path: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(join(source, path)), { recursive: true });
  writeFileSync(join(source, path), bytes);
}

function framesOf(snapshot: PlainSnapshot): Uint8Array[] {
  const paths = [...readTree(source).keys()];
  return findObjects({ root: source, packs: gitPacksOf(snapshot.manifest), paths });
}

/** Pulls what the source is now; returns bytes that were fetched, and that were made or found. */
function pulled(fromGit?: Partial<FromGitSetup>): { readonly fetched: number; readonly reused: number } {
  const snapshot = plainSnapshot(source);
  const setup = { frames: framesOf(snapshot), makes: () => true, ...fromGit };
  const { fetchedBytes, reusedBytes, conflicts, problems } = pull(snapshot, { node, fromGit: setup });
  expect([conflicts, problems]).toEqual([[], []]);
  const [want, got] = [readTree(source), readTree(join(node, 'home/work'))];
  expect(missingOrDifferent(want, got)).toEqual([]);
  expect([...got.keys()].filter((path) => !want.has(path))).toEqual([]);
  return { fetched: fetchedBytes, reused: reusedBytes };
}

const sizeOf = (paths: (path: string) => boolean): number => {
  const { manifest } = plainSnapshot(source);
  let total = 0;
  for (const [directory, { entries }] of manifest.directories)
    for (const { kind, name, size } of entries)
      if (kind === 'file' && paths(directory === '' ? name : `${directory}/${name}`)) total += size;
  return total;
};
const isGit = (path: string): boolean => path.startsWith('.git/');

test.each([
  ['all at the end', { makes: () => false }],
  ['as the packs come', { makes: () => true }],
])('a new root: only what git has not packed is fetched, %s', (_, setup) => {
  write('d1/text1', 'changed since');
  write('untracked', noise(5, 20_000));
  const { fetched, reused } = pulled(setup);
  // Some chunks are in several files: what does not shrink is in the pack as it is.
  const all = sizeOf(isGit) + 20_000 + 'changed since'.length;
  expect([fetched <= all, fetched > all - 1000, reused > 400_000]).toEqual([true, true, true]);
});

test('another branch, which the node has in its packs, costs its index', () => {
  repository.git('checkout', '-qb', 'other');
  for (let n = 0; n < 60; n += 1) write(`d${n % 6}/text${n}`, `other line ${n}\n`.repeat(n * 20));
  write('new/one', noise(99, 50_000));
  chmodSync(join(source, 'd0/noise0'), 0o755);
  repository.pack();
  repository.git('checkout', '-q', 'master');
  pulled();
  repository.git('checkout', '-q', 'other');
  const { fetched, reused } = pulled();
  expect(reused).toBeGreaterThan(200_000);
  expect(fetched).toBeLessThan(sizeOf((path) => path === '.git/index') + 2000);
});

test('whatever is promised of whatever packs, the root comes to be what it is to be', () => {
  const snapshot = plainSnapshot(source);
  const tracked = [...readTree(source).keys()].filter((path) => !isGit(path));
  const some = fc.record({
    path: fc.constantFrom(...tracked, '.git/HEAD', 'nowhere', `${repository.packPath}.pack`),
    object: fc.oneof(fc.nat(1 << 21), fc.constant(12)),
    pack: fc.constantFrom(`${repository.packPath}.pack`, '.git/index', 'd1', 'none', 'large'),
  });
  fc.assert(
    fc.property(fc.array(some, { maxLength: 60 }), fc.infiniteStream(fc.boolean()), (promises, dice) => {
      rmSync(node, { recursive: true, force: true });
      mkdirSync(join(node, 'home'), { recursive: true });
      const nothing = { mode: 0, mtimeSec: 0, mtimeNsec: 0, offset: 0, rest: 0, lengths: [] };
      const wild = promises.map(({ path, object, pack }) =>
        encodeObjectPack({ pack, files: [{ ...nothing, path, object }] }),
      );
      const right = framesOf(snapshot);
      const frames = dice.next().value ? [...wild, ...right] : [...right, ...wild];
      pulled({ frames, makes: () => dice.next().value });
    }),
    { numRuns: 20 },
  );
});

test('an object of the right size with other bytes is not taken', () => {
  const frames = framesOf(plainSnapshot(source)).map((frame) => {
    const pack = decodeFilePack(Buffer.from(frame), limits);
    if (pack.codec !== 'git') throw new Error('a pack without objects');
    const { files } = pack;
    const shifted = files.map((file, at) => ({ ...file, object: files[(at + 1) % files.length]?.object ?? 0 }));
    return encodeObjectPack({ pack: pack.pack, files: shifted });
  });
  const { fetched } = pulled({ frames });
  expect(fetched).toBeGreaterThan(sizeOf((path) => path.includes('noise')));
});

test('what is said of many long paths comes in frames that a link takes', () => {
  for (let n = 0; n < 3000; n += 1) write(`${String(n).padStart(200, 'x')}/${'y'.repeat(200)}`, `${n}`);
  repository.pack();
  const snapshot = plainSnapshot(source);
  const frames = framesOf(snapshot);
  const files = frames.map((frame) => decodeFilePack(Buffer.from(frame), limits).files.length);
  expect([frames.length > 5, files.reduce((a, b) => a + b, 0)]).toEqual([true, 3121]);
  for (const frame of frames) expect(frame.length).toBeLessThan(limits.dataFrameBytes / 4);
});

test('a pack that cannot be read, or is no file, is as good as none', () => {
  const at = join(source, '.git/objects/pack/dir.pack');
  writeFileSync(at, 'to be a directory on the node');
  pulled();
  rmSync(join(node, 'home/work/.git/objects/pack/dir.pack'));
  mkdirSync(join(node, 'home/work/.git/objects/pack/dir.pack'));
  write('d1/text1', 'new');
  const nothing = { mode: 0, mtimeSec: 0, mtimeNsec: 0, offset: 0, rest: 0, lengths: [] };
  const snapshot = plainSnapshot(source);
  const frames = [
    encodeObjectPack({ pack: '.git/objects/pack/dir.pack', files: [{ ...nothing, path: 'd1/text1', object: 1 }] }),
  ];
  pull(snapshot, { node, fromGit: { frames, makes: () => true } });
  expect(missingOrDifferent(readTree(source), readTree(join(node, 'home/work')))).toEqual([]);
});

test('a crash at any step of it leaves a root that the next pull makes right', () => {
  for (let crash = 0; crash < 12; crash += 1) {
    rmSync(node, { recursive: true, force: true });
    mkdirSync(join(node, 'home'), { recursive: true });
    const snapshot = plainSnapshot(source);
    let step = 0;
    const before = (): void => {
      step += 1;
      if (step === crash) throw new Error('crash');
    };
    try {
      pull(snapshot, { node, before, fromGit: { frames: framesOf(snapshot), makes: () => true } });
    } catch (error) {
      expect(error).toEqual(new Error('crash'));
    }
    pulled();
  }
});

test('files instead of objects are refused', () => {
  const snapshot = plainSnapshot(source);
  const [pack = Buffer.alloc(0)] = packsOf(snapshot, [0, 1]);
  const frames = [Buffer.concat([encodeFilePackHeader('raw', 0, [])]), pack];
  for (const frame of frames)
    expect(() => pull(snapshot, { node, fromGit: { frames: [frame], makes: () => true } })).toThrow(
      expect.objectContaining({ code: 'bad-message' }),
    );
  pulled();
});

test('an index that is damaged, cut off or of a version to come finds what can be read of it', () => {
  const snapshot = plainSnapshot(source);
  const packs = gitPacksOf(snapshot.manifest);
  const paths = [...readTree(source).keys()];
  const found = (): number => {
    let files = 0;
    for (const frame of findObjects({ root: source, packs, paths })) {
      expect(frame.length).toBeLessThan(limits.dataFrameBytes);
      files += decodeFilePack(Buffer.from(frame), limits).files.length;
    }
    return files;
  };
  expect(findObjects({ root: source, packs: ['.git/objects/pack/none.pack'], paths })).toEqual([]);
  const whole = readFileSync(join(source, '.git/index'));
  const all = found();
  writeFileSync(join(source, '.git/index'), whole.subarray(0, whole.length / 2));
  const half = found();
  expect([all, half > 40, half < 80]).toEqual([121, true, true]);
  const later = Buffer.from(whole);
  later.writeUInt32BE(9, 4);
  writeFileSync(join(source, '.git/index'), later);
  expect(found()).toBe(0);
  writeFileSync(join(source, '.git/index'), noise(1, 1000));
  expect(findObjects({ root: source, packs, paths })).toEqual([]);
  rmSync(join(source, '.git/index'));
  expect(findObjects({ root: source, packs, paths })).toEqual([]);
});
