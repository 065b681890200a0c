/**
 * A large file that changes in a few places is patched, out of the root, and put back (docs/decisions/0001): whoever has it
 * open, wherever that is cut off, and whatever the node did to it, the bytes are the source's and none of the node's is lost.
 */
import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf, holeDigest } from '../../protocol/chunk/digest.ts';
import { chunkRecord, type Entry } from '../../protocol/chunk/entry.ts';
import { type Journal, readJournal } from '../../protocol/pull/replica/journal.ts';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import type { PatchOp } from '../../protocol/pull/replica/op.ts';
import { applyPatch, PatchBudget, type Patched } from '../../protocol/pull/replica/patch-file.ts';
import { printAt } from '../../protocol/pull/replica/print.ts';
import { recoverRoot } from '../../protocol/pull/replica/recover.ts';
import { runSwitch } from '../../protocol/pull/replica/switch.ts';
import { noise } from '../helpers/noise.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullSetup, type PullStep, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

const bytes = 33 << 20;
const content = noise(1, bytes);

let top = '';
let source = '';
let node = '';
let here = '';
let there = '';

beforeEach(() => {
  top = realpathSync(mkdtempSync(join('/dev/shm', 'patched-')));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  [here, there] = [join(source, 'below/large'), join(node, 'home/work/below/large')];
  mkdirSync(join(source, 'below'), { recursive: true });
  mkdirSync(join(node, 'home'), { recursive: true });
  writeFileSync(here, content);
  sync();
  outlastClockGrain(there);
  sync();
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function sync(before?: PullSetup['before']): ReturnType<typeof pull> {
  return pull(plainSnapshot(source), { node, ...(before === undefined ? {} : { before }) });
}

const at = (step: PullStep, work: () => void) => (now: PullStep) => {
  if (now === step) work();
};

class Crash extends Error {}
const crash = (): never => {
  throw new Crash();
};

function overwrite(path: string, position: number, data: Buffer): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, data, 0, data.length, position);
  closeSync(fd);
}

function edit(): void {
  for (const mib of [0, 3, 17, 32]) overwrite(here, (mib << 20) + 5000, noise(mib + 2, 4096));
}

const kept = (): KeptVersions => new KeptVersions(join(node, 'conflicts'));

function expectSame(): void {
  expect(missingOrDifferent(readTree(source), readTree(join(node, 'home/work')))).toEqual([]);
  const again = sync();
  expect([again.placed, again.fetchedBytes, again.conflicts, again.problems]).toEqual([0, 0, [], []]);
}

/** The journal of a sync that stopped before its first op, and its patch. */
function stopped(): { readonly journal: Journal; readonly op: PatchOp; readonly patch: string; readonly base: string } {
  expect(() => sync(at('switch', crash))).toThrow(Crash);
  const journal = readJournal(join(node, 'state'));
  const op = journal?.ops.find((one) => one.op === 'patch');
  if (journal === undefined || op === undefined) throw new Error('no patch in the journal');
  const patch = `${journal.stage}/files/${op.staged}`;
  return { journal, op, patch, base: `${patch}-base` };
}

function recover(): ReturnType<typeof recoverRoot> {
  return recoverRoot(join(node, 'state'), kept());
}

const edits: readonly (readonly [string, () => void])[] = [
  ['overwritten here and there', edit],
  ['shorter', () => truncateSync(here, bytes - 100_000)],
  ['with the same twice', () => overwrite(here, 9 << 20, content.subarray(20 << 20, 22 << 20))],
  [
    'with another mode and time',
    () => {
      edit();
      chmodSync(here, 0o640);
      utimesSync(here, 1_600_000_000, 1_500_000_000.25);
    },
  ],
  [
    'that is not to be read on the node',
    () => {
      edit();
      chmodSync(here, 0o400);
    },
  ],
];

test.each(edits)('one %s is the same file afterwards', (_, change) => {
  const { ino } = statSync(there);
  change();
  const result = sync();
  expect([result.conflicts, result.problems, statSync(there).ino]).toEqual([[], [], ino]);
  expect(result.reusedBytes).toBeGreaterThan(bytes - (4 << 20));
  expectSame();
});

test('in a directory that may not be written in', () => {
  chmodSync(join(source, 'below'), 0o555);
  sync();
  const { ino } = statSync(there);
  edit();
  sync();
  expect(statSync(there).ino).toBe(ino);
  expectSame();
  chmodSync(join(source, 'below'), 0o755);
  chmodSync(join(node, 'home/work/below'), 0o755);
});

describe('it is written anew', () => {
  const others: readonly (readonly [string, () => void])[] = [
    ['if it grows: what is new would take room twice', () => appendFileSync(here, noise(8, 50_000))],
    ['if much of it is new', () => overwrite(here, 0, noise(5, 12 << 20))],
    ['if all of it has moved', () => writeFileSync(here, Buffer.concat([noise(9, 100_000), content]))],
    [
      'if it gets another name',
      () => {
        edit();
        linkSync(here, join(source, 'name'));
      },
    ],
  ];
  test.each(others)('%s', (_, change) => {
    const { ino } = statSync(there);
    change();
    const result = sync();
    expect([result.conflicts, result.problems]).toEqual([[], []]);
    expect(statSync(there).ino).not.toBe(ino);
    expectSame();
  });

  test('if it has another name on the node', () => {
    linkSync(here, join(source, 'name'));
    sync();
    outlastClockGrain(there);
    sync();
    const { ino } = statSync(there);
    edit();
    sync();
    expect(statSync(there).ino).not.toBe(ino);
    expectSame();
  });

  test.each(['stage', 'switch'] as const)(
    'if somebody has it open from before the %s on, who sees what it was',
    (step) => {
      const { ino } = statSync(there);
      edit();
      let fd = -1;
      sync(
        at(step, () => {
          fd = openSync(there, 'r');
        }),
      );
      expect(statSync(there).ino).not.toBe(ino);
      const seen = Buffer.alloc(bytes);
      expect(readSync(fd, seen, 0, bytes, 0)).toBe(bytes);
      closeSync(fd);
      expect(seen.equals(content)).toBe(true);
      expectSame();
    },
  );
});

describe('it is not patched', () => {
  const size = 64 << 20;
  const data = chunkRecord(digestOf('data'), 1 << 20);
  const hole = chunkRecord(holeDigest, 1 << 20);
  const entry = (list: string, bytes = size): Entry => ({
    kind: 'file',
    name: 'x',
    mode: 0o644,
    mtimeSec: 0,
    mtimeNsec: 0,
    size: bytes,
    content: list,
  });
  const all = [{ offset: 0, length: size }];
  const known = (list = data.repeat(64)): Patched => {
    truncateSync(there, size);
    return { where: there, size, print: printAt(there) ?? '', content: list };
  };

  test('if it has holes, before or after', () => {
    expect(new PatchBudget().takes(known(), entry(data.repeat(64)), all)).toBe(true);
    expect(new PatchBudget().takes(known(), entry(hole + data.repeat(63)), all)).toBe(false);
    expect(new PatchBudget().takes(known(data.repeat(63) + hole), entry(data.repeat(64)), all)).toBe(false);
  });

  test('if its size is not what the ledger says', () => {
    expect(new PatchBudget().takes({ ...known(), size: size + 1 }, entry(data.repeat(64)), all)).toBe(false);
  });

  test('if others of the same switch have used up what may be written', () => {
    const budget = new PatchBudget();
    const takes = (mib: number): boolean =>
      budget.takes(known(), entry(data.repeat(64)), [{ offset: 0, length: size - (mib << 20) }]);
    expect([takes(10), takes(7), takes(6), takes(1)]).toEqual([true, false, true, false]);
    const many = new PatchBudget();
    const first = Array.from({ length: 17 }, () => many.takes(known(), entry(data.repeat(64)), all));
    expect(first).toEqual([...Array.from({ length: 16 }, () => true), false]);
  });

  test('where a lease does not say who has it open', () => {
    const elsewhere = { ...known(), where: '/proc/self/environ' };
    expect(new PatchBudget().takes(elsewhere, entry(data.repeat(64)), all)).toBe(false);
  });
});

test('the stage has holes for what stays', () => {
  edit();
  const { patch } = stopped();
  const { size, blocks } = statSync(patch);
  expect([size, blocks * 512 < bytes / 8]).toEqual([bytes, true]);
  recover();
  expectSame();
});

test('a copy of the old version, made in the same moment, is made from it before', () => {
  copyFileSync(here, join(source, 'copy'));
  edit();
  sync();
  expectSame();
});

test('a stage that was left, and another version comes next', () => {
  edit();
  expect(() => sync(at('prepare', crash))).toThrow(Crash);
  overwrite(here, 12 << 20, noise(44, 4096));
  sync();
  expectSame();
});

describe('cut off', () => {
  const points: readonly (readonly [string, (at: ReturnType<typeof stopped>) => void])[] = [
    ['before it', () => undefined],
    ['when the file was out', ({ base }) => renameSync(there, base)],
    [
      'when some was written',
      ({ base }) => {
        renameSync(there, base);
        overwrite(base, 5000, noise(99, 4096));
        chmodSync(base, 0o400);
      },
    ],
    [
      'when all was written, and its mode set',
      ({ base, op, patch }) => {
        renameSync(there, base);
        copyFileSync(patch, `${patch}.saved`);
        patched(base, patch, op);
        renameSync(`${patch}.saved`, patch);
        chmodSync(base, 0o400);
        chmodSync(patch, 0);
      },
    ],
    [
      'when the patch was gone',
      ({ base, op, patch }) => {
        renameSync(there, base);
        patched(base, patch, op);
      },
    ],
    [
      'when it was back',
      ({ base, op, patch }) => {
        renameSync(there, base);
        patched(base, patch, op);
        renameSync(base, there);
      },
    ],
    ['when all ops were done', ({ journal }) => void runSwitch(journal, kept())],
    [
      'when a half was copied, because it was open',
      ({ patch, op }) => {
        chmodSync(patch, 0o600);
        const [{ offset, length } = { offset: 0, length: 0 }] = op.kept;
        overwrite(patch, offset, content.subarray(offset, offset + length / 2));
      },
    ],
  ];

  function patched(base: string, patch: string, op: PatchOp): void {
    const fd = openSync(base, 'r+');
    applyPatch(fd, patch, op);
    closeSync(fd);
  }

  test.each(points)('%s: rolled forward', (_, get) => {
    edit();
    const now = stopped();
    get(now);
    const { rolledForward } = recover();
    expect([rolledForward?.conflicts, rolledForward?.problems]).toEqual([[], []]);
    expect([existsSync(now.base), readFileSync(there).equals(readFileSync(here))]).toEqual([false, true]);
    expectSame();
  });
});

describe('the node made something of it', () => {
  test('before the look: that is kept, the new one is written', () => {
    edit();
    overwrite(there, 8 << 20, noise(50, 4096));
    expect(sync().conflicts).toHaveLength(1);
    const [version] = kept().list();
    expect(
      readFileSync(version?.data ?? '')
        .subarray(8 << 20, (8 << 20) + 4096)
        .equals(noise(50, 4096)),
    ).toBe(true);
    expectSame();
  });

  test.each(['pack', 'switch'] as const)(
    'before the %s, with its times put back: it stays, and the next sync keeps it',
    (step) => {
      edit();
      const { atime, mtime } = statSync(there);
      const result = sync(
        at(step, () => {
          overwrite(there, 8 << 20, noise(50, 4096));
          utimesSync(there, atime, mtime);
        }),
      );
      expect(result.problems.map(({ path }) => path)).toEqual(['below/large']);
      expect(
        readFileSync(there)
          .subarray(8 << 20, (8 << 20) + 4096)
          .equals(noise(50, 4096)),
      ).toBe(true);
      sync();
      const theirs = kept()
        .list()
        .map(({ data }) => readFileSync(data).subarray(8 << 20, (8 << 20) + 4096));
      expect(theirs.map((one) => one.equals(noise(50, 4096)))).toEqual([true]);
      expectSame();
    },
  );

  test('it is gone', () => {
    edit();
    const result = sync(at('switch', () => unlinkSync(there)));
    expect(result.problems.map(({ path }) => path)).toEqual(['below/large']);
    sync();
    expectSame();
  });

  test('another file is there, when the patched one comes back', () => {
    edit();
    const { base } = stopped();
    renameSync(there, base);
    writeFileSync(there, 'theirs');
    recover();
    expect(
      kept()
        .list()
        .map(({ data }) => readFileSync(data, 'utf8')),
    ).toEqual(['theirs']);
    expectSame();
  });

  test('another file was taken out for it: it is kept', () => {
    edit();
    const { base } = stopped();
    writeFileSync(`${there}.new`, 'theirs');
    renameSync(`${there}.new`, there);
    renameSync(there, base);
    recover();
    expect(
      kept()
        .list()
        .map(({ data }) => readFileSync(data, 'utf8')),
    ).toEqual(['theirs']);
    sync();
    expectSame();
  });
});
