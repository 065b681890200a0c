// Row 9: `git checkout` of a branch that differs from the one before in 2,000 files of the Linux tree.
import { sh } from '../../proofs/hosts.mjs';
import { compare } from './book.mjs';

const files = 2000;

export const checkout = {
  keys: ['9'],
  run({ lab, book, runs }) {
    const source = lab.linux();
    const git = `git -C ${source} -c user.name=t -c user.email=t@t -c gc.auto=0`;
    // A branch a run, each with content that no copy has seen; all are there before the first sync.
    sh(`git -C ${source} ls-files 'drivers/*.c' | awk 'NR % 5 == 0' | head -${files} >/tmp/towline-touched`);
    for (let run = 0; run <= runs; run += 1) {
      sh(
        `cd ${source} && ${git} checkout -q -b bench${run} && while read -r f; do echo "/* branch ${run} */" >>"$f"; done </tmp/towline-touched && ${git} commit -qam ${run}`,
      );
    }
    sh(`${git} checkout -q bench0 && rm /tmp/towline-touched`);
    try {
      lab.go('lan').fresh();
      lab.ours(source);
      lab.rsync(source, '--delete');
      for (let run = 0; run < runs; run += 1) {
        sh(`${git} checkout -q bench${run + 1}`);
        compare(book, '9', run, { ours: () => lab.ours(source), rsync: () => lab.rsync(source, '--delete') });
      }
      lab.checkSame();
    } finally {
      lab.forgetLinux();
    }
  },
};
