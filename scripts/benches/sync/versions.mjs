// Row 5: a released version of a package over the one before, on the slow link.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { sh } from '../../proofs/hosts.mjs';
import { compare } from './book.mjs';

const packages = [
  { key: '5-typescript', name: 'typescript', versions: ['5.4.5', '5.5.4'] },
  { key: '5-next', name: 'next', versions: ['14.1.0', '14.2.0'] },
  { key: '5-s3', name: '@aws-sdk/client-s3', versions: ['3.540.0', '3.550.0'] },
];
const at = '/dev/shm/towline-versions';

export const versions = {
  keys: packages.map(({ key }) => key),
  run({ lab, book, runs, wanted }) {
    try {
      for (const { key, name, versions: pair } of packages.filter(({ key: k }) => wanted(k))) {
        const [before, after] = pair.map((version) => unpacked(name, version));
        lab.go('far');
        for (let run = 0; run < runs; run += 1) {
          lab.fresh();
          become(before);
          lab.ours(`${at}/work`);
          lab.rsync(`${at}/work`, '--delete');
          lab.change(() => become(after));
          compare(book, key, run, {
            ours: () => lab.ours(`${at}/work`),
            rsync: () => lab.rsync(`${at}/work`, '--delete'),
          });
          lab.checkSame();
        }
      }
    } finally {
      rmSync(at, { recursive: true, force: true });
    }
  },
};

function unpacked(name, version) {
  const cache = join(homedir(), '.cache/towline-bench');
  mkdirSync(cache, { recursive: true });
  const tarball = join(cache, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
  if (!existsSync(tarball)) sh(`npm pack --silent --pack-destination ${cache} ${name}@${version} 2>/dev/null`);
  const tree = `${at}/${name.replace('/', '-')}-${version}`;
  sh(`rm -rf ${tree} && mkdir -p ${tree} && tar -xmf ${tarball} -C ${tree} --strip-components=1`);
  return tree;
}

/** As a checkout does: files whose content stays the same keep their times. npm's tarballs have one time for all, which would hide edits from rsync. */
function become(tree) {
  sh(`mkdir -p ${at}/work && sleep 1 && rsync -rlpc --delete ${tree}/ ${at}/work/`);
}
