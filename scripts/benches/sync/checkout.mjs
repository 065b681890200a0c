// Row 9: `git checkout` of a branch that differs from the one before in 2,000 files of the Linux tree.
import { sh } from '../../proofs/hosts.mjs';
import { compareChange } from './book.mjs';

const files = 2000;

export const checkout = {
  keys: ['9', '9-later'],
  run({ lab, book, runs }) {
    const source = lab.linux();
    const git = `git -C ${source} -c user.name=t -c user.email=t@t -c gc.auto=0`;
    // A branch a change, each with content that no copy has seen; all are there before the first sync.
    sh(`git -C ${source} ls-files 'drivers/*.c' | awk 'NR % 5 == 0' | head -${files} >/tmp/towline-touched`);
    for (let branch = 0; branch <= 2 * runs; branch += 1) {
      sh(
        `cd ${source} && ${git} checkout -q -b bench${branch} && while read -r f; do echo "/* branch ${branch} */" >>"$f"; done </tmp/towline-touched && ${git} commit -qam ${branch}`,
      );
    }
    sh(`${git} checkout -q bench0 && rm /tmp/towline-touched`);
    try {
      lab.go('lan').fresh();
      lab.ours(source);
      lab.rsync(source, '--delete');
      let branch = 0;
      const change = () => sh(`${git} checkout -q bench${++branch}`);
      const both = { ours: () => lab.ours(source), rsync: () => lab.rsync(source, '--delete') };
      for (let run = 0; run < runs; run += 1) compareChange(book, '9', run, lab, change, both);
      lab.checkSame();
    } finally {
      lab.forgetLinux();
    }
  },
};
