// Rows 10 and 12, and row 13 of many files: the same three cases at growing numbers of small files, 100 a directory.
// TOWLINE_BENCH_MANY: how many "1 M" are, to try the row.
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { compare } from './book.mjs';
import { recordMemory } from './memory.mjs';

const at = '/dev/shm/towline-many';
const many = Number(process.env.TOWLINE_BENCH_MANY ?? 1_000_000);
const sizes = [
  { files: 10_000, noOp: '12-noop-10k', edit: '12-edit-10k' },
  { files: 100_000, noOp: '12-noop-100k', edit: '12-edit-100k' },
  { files: many, first: '10-first', memory: '13-many', noOp: '10-noop', edit: '12-edit-1m' },
];
const keysOf = ({ first, memory, noOp, edit }) => [first, memory, noOp, edit].filter(Boolean);

export const growth = {
  keys: sizes.flatMap(keysOf),
  run(bench) {
    for (const size of sizes) {
      if (!keysOf(size).some(bench.wanted)) continue;
      try {
        atSize(bench, size);
      } finally {
        rmSync(at, { recursive: true, force: true });
      }
    }
  },
};

function atSize({ lab, book, runs, wanted }, { files, first, memory, noOp, edit }) {
  const recorded = (key) => key !== undefined && wanted(key);
  makeTree(files);
  const both = { ours: () => lab.ours(at), rsync: () => lab.rsync(at) };
  lab.go('lan');
  for (let run = 0; run < (recorded(first) || recorded(memory) ? runs : 1); run += 1) {
    lab.fresh();
    if (recorded(first)) compare(book, first, run, both);
    else both.ours();
    if (recorded(memory)) recordMemory(book, memory, lab.tow.home);
  }
  both.rsync();
  both.ours();
  for (let run = 0; run < runs; run += 1) {
    if (recorded(noOp)) compare(book, noOp, run, both);
    // An edit that is not recorded would be the next no-op's.
    if (!recorded(edit)) continue;
    lab.change(() => appendFileSync(`${at}/d0/f0`, `edit ${run}\n`));
    compare(book, edit, run, both);
  }
  both.rsync();
  both.ours();
  lab.checkSame();
  for (const key of [first, memory, noOp, edit].filter(recorded)) book.fact(key, { files });
}

function makeTree(files) {
  rmSync(at, { recursive: true, force: true });
  for (let d = 0; d < files / 100; d += 1) {
    mkdirSync(`${at}/d${d}`, { recursive: true });
    for (let f = 0; f < 100; f += 1) writeFileSync(`${at}/d${d}/f${f}`, `${d} ${f} `.repeat(1 + ((d * 7 + f) % 60)));
  }
}
