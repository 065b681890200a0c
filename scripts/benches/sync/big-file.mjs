// Rows 6 and 7: edits of one file of 1 GiB.
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { sh } from '../../proofs/hosts.mjs';
import { compareChange } from './book.mjs';

const at = '/dev/shm/towline-big';
const file = `${at}/big`;
const mib = 1 << 20;
// Files of this size have chunks of 16 KiB (protocol/chunk/chunker.ts, 5 % above on average), 36 bytes of manifest each.
const manifestBytes = () => Math.ceil(statSync(file).size / (16384 * 1.05)) * 36;

const edits = {
  '6-front': {
    newBytes: mib,
    make: () => sh(`(head -c ${mib} /dev/urandom; cat ${file}) >${file}.new && mv ${file}.new ${file}`),
  },
  '6-middle': { newBytes: mib, make: () => overwrite(512 * mib, mib) },
  7: {
    newBytes: 100 * 4096,
    make: () => {
      const blocks = statSync(file).size / 4096;
      for (let k = 0; k < 100; k += 1) overwrite(Math.floor(Math.random() * (blocks - 1)) * 4096, 4096);
    },
  },
};

export const bigFile = {
  keys: ['6-front', '6-front-later', '6-middle', '6-middle-later', '7', '7-later'],
  run({ lab, book, runs, wanted }) {
    sh(`rm -rf ${at} && mkdir ${at} && head -c 1G /dev/urandom >${file}`);
    try {
      lab.go('lan').fresh();
      lab.ours(at);
      lab.rsync(at);
      for (const [key, { newBytes, make }] of Object.entries(edits)) {
        if (!wanted(key)) continue;
        const both = { ours: () => lab.ours(at), rsync: () => lab.rsync(at) };
        for (let run = 0; run < runs; run += 1) compareChange(book, key, run, lab, make, both);
        for (const row of [key, `${key}-later`]) book.fact(row, { newBytes, manifestBytes: manifestBytes() });
        lab.checkSame();
      }
    } finally {
      rmSync(at, { recursive: true, force: true });
    }
  },
};

function overwrite(position, length) {
  const fd = openSync(file, 'r+');
  writeSync(fd, randomBytes(length), 0, length, position);
  closeSync(fd);
}
