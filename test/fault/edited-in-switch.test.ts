/** A program on the node writes to a file when a switch has just put it in place, before its print is taken: that is the node's edit. */
import {
  appendFileSync,
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { recoverRoot } from '../../protocol/pull/replica/recover.ts';
import { outlastClockGrain } from '../helpers/outlast-clock-grain.ts';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { type PullStep, pull } from '../helpers/pull.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

let top = '';
let source = '';
let node = '';

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'edited-'));
  [source, node] = [join(top, 'src'), join(top, 'node')];
  mkdirSync(source);
  mkdirSync(join(node, 'home'), { recursive: true });
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** Does something at the end of the ops, before anything is looked at. */
class Meanwhile extends KeptVersions {
  readonly #work: () => void;

  constructor(directory: string, work: () => void) {
    super(directory);
    this.#work = work;
  }

  override takeBack(ids: readonly string[]): void {
    super.takeBack(ids);
    this.#work();
  }
}

function overwrite(path: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, 'theirs');
  closeSync(fd);
}

function stop(step: PullStep): void {
  if (step === 'switch') throw new Error('stopped');
}

/** Runs a sync of the source in which something happens on the node when all is in place. */
function syncWhile(work: () => void): void {
  expect(() => pull(plainSnapshot(source), { node, before: stop })).toThrow('stopped');
  recoverRoot(join(node, 'state'), new Meanwhile(join(node, 'conflicts'), work));
}

const keptTexts = (): string[] =>
  new KeptVersions(join(node, 'conflicts')).list().map(({ data }) => readFileSync(data, 'utf8'));

function expectSame(): void {
  expect(missingOrDifferent(readTree(source), readTree(join(node, 'home/work')))).toEqual([]);
}

test.each([
  ['longer', (path: string) => appendFileSync(path, 'theirs')],
  ['as long', overwrite],
  [
    'longer, with its time put back',
    (path: string) => {
      appendFileSync(path, 'theirs');
      utimesSync(path, 1_600_000_000, 1_600_000_000.5);
    },
  ],
])('%s', (_, edit) => {
  const here = join(source, 'file');
  const there = join(node, 'home/work/file');
  writeFileSync(here, 'version 1');
  pull(plainSnapshot(source), { node });
  writeFileSync(here, 'version 2');
  utimesSync(here, 1_600_000_000, 1_600_000_000.5);
  syncWhile(() => {
    edit(there);
    // As the rest of a long switch does.
    outlastClockGrain(there);
  });
  const theirs = readFileSync(there, 'utf8');
  expect(theirs).toContain('theirs');
  expect(pull(plainSnapshot(source), { node }).conflicts).toHaveLength(1);
  expect(keptTexts()).toEqual([theirs]);
  expectSame();
});

test.each(['a mode', 'a time'])('when only %s is to be set, before that', (what) => {
  const here = join(source, 'file');
  const there = join(node, 'home/work/file');
  writeFileSync(here, 'version 1');
  pull(plainSnapshot(source), { node });
  outlastClockGrain(there);
  pull(plainSnapshot(source), { node });
  if (what === 'a mode') chmodSync(here, 0o755);
  else utimesSync(here, 1_600_000_000, 1_600_000_000.5);
  const edit = (step: PullStep): void => {
    if (step === 'prepare') overwrite(there);
    stop(step);
  };
  expect(() => pull(plainSnapshot(source), { node, before: edit })).toThrow('stopped');
  const theirs = readFileSync(there, 'utf8');
  recoverRoot(join(node, 'state'), new Meanwhile(join(node, 'conflicts'), () => outlastClockGrain(there)));
  expect(pull(plainSnapshot(source), { node }).conflicts).toHaveLength(1);
  expect(keptTexts()).toEqual([theirs]);
  expectSame();
});

test('another file has taken the place of a hard link', () => {
  const [a, b] = [join(source, 'a'), join(source, 'b')];
  writeFileSync(a, 'version 1');
  linkSync(a, b);
  const there = join(node, 'home/work/b');
  syncWhile(() => {
    writeFileSync(`${there}.new`, 'theirs');
    renameSync(`${there}.new`, there);
    outlastClockGrain(there);
  });
  expect(pull(plainSnapshot(source), { node }).conflicts).toHaveLength(1);
  expect(keptTexts()).toEqual(['theirs']);
  expectSame();
});

test('a mode that was changed is put right', () => {
  const there = join(node, 'home/work/file');
  writeFileSync(join(source, 'file'), 'version 1');
  syncWhile(() => {
    chmodSync(there, 0o700);
    outlastClockGrain(there);
  });
  expect(pull(plainSnapshot(source), { node }).conflicts).toEqual([]);
  expectSame();
});
