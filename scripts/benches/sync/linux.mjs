// Rows 1, 3, 4, 11, 13 on the Linux tree and a LAN; the spans of 3 and 4 for any way to the host.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare } from './book.mjs';
import { controllersOf, recordMemory } from './memory.mjs';

const contestants = (lab, source) => ({
  ours: () => lab.ours(source),
  rsync: () => lab.rsync(source),
  mastered: () => lab.rsyncMastered(source),
});

/** A no-op and a one-line edit, on a host that has the tree. */
export function noOpAndEdit({ lab, book, runs, wanted }, source, way) {
  // What the first sync left to do is not a no-op's.
  lab.ours(source);
  lab.rsync(source);
  for (let run = 0; run < runs; run += 1) {
    if (wanted(`3-${way}`)) compare(book, `3-${way}`, run, contestants(lab, source));
    if (!wanted(`4-${way}`)) continue;
    lab.change(() => appendFileSync(join(source, 'kernel/fork.c'), `/* ${run} */\n`));
    compareEdit(book, `4-${way}`, run, lab, source, (again) =>
      appendFileSync(join(source, 'kernel/fork.c'), `/* ${run} ${again} */\n`),
    );
    // The edit for the second rsync is not the next no-op's.
    lab.ours(source);
  }
}

// rsync without and with a master write the same copy: each gets an edit of its own, and ours one of both kinds.
function compareEdit(book, key, run, lab, source, edit) {
  const { mastered, ...pair } = contestants(lab, source);
  compare(book, key, run, pair);
  edit(1);
  book.record(key, 'mastered', mastered());
}

export const linux = {
  keys: ['1-lan', '13-linux', '3-lan', '4-lan', '11'],
  run(bench) {
    const { lab, book, runs, wanted } = bench;
    const source = lab.linux();
    lab.go('lan');
    const firsts = wanted('1-lan') || wanted('13-linux') ? runs : 1;
    for (let run = 0; run < firsts; run += 1) {
      lab.fresh();
      if (wanted('1-lan'))
        compare(book, '1-lan', run, {
          ours: () => lab.ours(source),
          rsync: () => lab.rsync(source),
          tar: () => lab.tar(source),
        });
      else lab.ours(source);
      if (wanted('13-linux')) recordMemory(book, '13-linux', lab.tow.home);
      lab.on('rm -rf tarred');
    }
    if (!['3-lan', '4-lan', '11'].some(wanted)) return;
    noOpAndEdit(bench, source, 'lan');
    lab.rsync(source);
    lab.ours(source);
    lab.checkSame();
    for (let run = 0; run < runs && wanted('11'); run += 1)
      compare(book, '11', run, { ours: () => afterKill(lab, source), rsync: () => lab.rsync(source) });
  },
};

function afterKill(lab, source) {
  for (const pid of controllersOf(lab.tow.home)) process.kill(Number(pid), 'SIGKILL');
  return lab.ours(source);
}
