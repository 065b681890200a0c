// Row 8: a directory of 1 GB that gets another name; a file of 1 GB that gets a copy.
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { sh } from '../../proofs/hosts.mjs';
import { compare } from './book.mjs';

const at = '/dev/shm/towline-moves';
const dataBytes = 1e9;
const files = 4000;

export const moves = {
  keys: ['8-rename', '8-copy'],
  run({ lab, book, runs, wanted }) {
    const both = { ours: () => lab.ours(at), rsync: () => lab.rsync(at, '--delete') };
    const prepare = () => {
      lab.go('lan').fresh();
      both.ours();
      both.rsync();
    };
    try {
      if (wanted('8-rename')) {
        rmSync(at, { recursive: true, force: true });
        for (let k = 0; k < files; k += 1) {
          mkdirSync(`${at}/dir0/${k % 40}`, { recursive: true });
          writeFileSync(`${at}/dir0/${k % 40}/${k}`, randomBytes(dataBytes / files));
        }
        prepare();
        for (let run = 0; run < runs; run += 1) {
          lab.change(() => renameSync(`${at}/dir${run}`, `${at}/dir${run + 1}`));
          compare(book, '8-rename', run, both);
        }
        book.fact('8-rename', { dataBytes, files });
        lab.checkSame();
      }
      if (wanted('8-copy')) {
        sh(`rm -rf ${at} && mkdir ${at} && head -c ${dataBytes} /dev/urandom >${at}/file`);
        prepare();
        for (let run = 0; run < runs; run += 1) {
          lab.change(() => copyFileSync(`${at}/file`, `${at}/copy${run}`));
          compare(book, '8-copy', run, both);
          lab.checkSame();
          rmSync(`${at}/copy${run}`);
          both.ours();
          both.rsync();
        }
        book.fact('8-copy', { dataBytes });
      }
    } finally {
      rmSync(at, { recursive: true, force: true });
    }
  },
};
