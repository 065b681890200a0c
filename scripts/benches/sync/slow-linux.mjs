// Rows 2, 3 and 4 on the Linux tree, 100 Mbit/s and 40 ms away.
import { compare } from './book.mjs';
import { noOpAndEdit } from './linux.mjs';

export const slowLinux = {
  keys: ['2', '3-far', '4-far'],
  run(bench) {
    const { lab, book, runs, wanted } = bench;
    const source = lab.linux();
    lab.go('far');
    for (let run = 0; run < (wanted('2') ? runs : 1); run += 1) {
      lab.fresh();
      const pair = { ours: () => lab.ours(source), rsync: () => lab.rsync(source) };
      if (wanted('2')) compare(book, '2', run, pair);
    }
    if (!wanted('3-far') && !wanted('4-far')) return;
    noOpAndEdit(bench, source, 'far');
    lab.rsync(source);
    lab.ours(source);
    lab.checkSame();
  },
};
