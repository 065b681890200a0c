// The main job on the Linux source and two ssh hosts; writes docs/proofs/linux.md.
import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linuxTree, machine, onHost, sh, startHosts, Tow } from './hosts.mjs';

const source = '/dev/shm/towline-linux';
const rows = [];
const prove = (what, ok, detail) => {
  rows.push(`| ${what} | ${ok ? 'yes' : '**NO**'} | ${detail} |`);
  console.log(`${ok ? 'yes' : 'NO '} ${what}: ${detail}`);
  if (!ok) process.exitCode = 1;
};

const { bin, ssh } = startHosts();
linuxTree(source);
const tow = new Tow(bin);
try {
  const extra = join(tow.home, 'extra');
  mkdirSync(extra);
  writeFileSync(join(extra, 'data'), 'one');
  writeFileSync(join(tow.home, 'vimrc'), 'set number\n');
  mkdirSync(join(source, 'ignored-by-the-tree'));
  writeFileSync(join(source, 'ignored-by-the-tree/file'), 'mounted');
  writeFileSync(
    join(tow.home, 'task.yaml'),
    `workdir: ${source}\nnum_nodes: 2\nfile_mounts:\n  ~/.vimrc: ${tow.home}/vimrc\n  ~/extra: ${extra}\n  ~/mounted: ${source}/ignored-by-the-tree\nrun: test -e Makefile && echo rank $SKYPILOT_NODE_RANK\n`,
  );
  const task = join(tow.home, 'task.yaml');
  tow.must('pool', 'add', 'lab', 'tow0', 'tow1');
  const first = tow.summary('launch', '-c', 'dev', '--infra', 'ssh/lab', '--num-nodes', '2', task);
  prove(
    'launch on two ssh hosts',
    first.job.state === 'SUCCEEDED',
    `${first.sync.files} files, ${first.sync.logicalBytes} bytes, ${first.sync.sentBytes} sent, ${first.sync.seconds.toFixed(1)} s`,
  );

  const listed = sh(`cd ${source} && git ls-files --cached --others --exclude-standard | LC_ALL=C sort | sha256sum`);
  for (const k of [0, 1]) {
    const there = onHost(
      k,
      String.raw`cd sky_workdir && find . -path ./.git -prune -o \( -type f -o -type l \) -print | cut -c3- | LC_ALL=C sort | sha256sum`,
    );
    prove(`host ${k}: the set of files is git's`, there === listed, listed.slice(0, 16));
    const differs = sh(
      `rsync -aniHc --modify-window=-1 --exclude=/ignored-by-the-tree -e ${ssh} ${source}/ tow${k}:sky_workdir/`,
    );
    prove(
      `host ${k}: rsync -aniHc --modify-window=-1 prints nothing`,
      differs === '',
      `${differs.split('\n').length - 1} lines`,
    );
    prove(
      `host ${k}: git status is clean`,
      onHost(k, 'cd sky_workdir && git status --porcelain') === '',
      'git status --porcelain',
    );
    prove(
      `host ${k}: mounts`,
      onHost(k, 'cat .vimrc extra/data mounted/file') === 'set number\nonemounted',
      'a dotfile, a directory, an ignored directory',
    );
  }

  writeFileSync(join(extra, 'data'), 'two');
  tow.must('launch', '-c', 'dev', '--no-setup', task);
  prove('an edit of a mount goes with launch --no-setup', onHost(1, 'cat extra/data') === 'two', 'extra/data');

  const file = join(source, 'kernel/fork.c');
  const text = readFileSync(file, 'latin1');
  const { atime, mtime } = statSync(file);
  writeFileSync(file, text.replace('fork', 'fOrk'), 'latin1');
  utimesSync(file, atime, mtime);
  const edit = tow.summary('exec', 'dev', 'grep -c fOrk kernel/fork.c');
  prove(
    'an edit with size and mtime put back is sent',
    onHost(0, 'grep -c fOrk sky_workdir/kernel/fork.c').trim() === '1',
    `${edit.sync.sentBytes} bytes sent`,
  );

  tow.must('down', 'dev');
  for (const [name, host] of [
    ['cluster0', 'tow0'],
    ['cluster1', 'tow1'],
  ]) {
    tow.must('pool', 'add', name, host);
    tow.must('launch', '-c', name, '--infra', `ssh/${name}`, '--workdir', source, 'true');
  }
  appendFileSync(file, '/* edited */\n');
  tow.must('exec', 'cluster1', 'true');
  const has = (k) => onHost(k, 'tail -1 sky_workdir/kernel/fork.c').trim() === '/* edited */';
  prove('exec on cluster1 brings the edit there', has(1), 'kernel/fork.c');
  prove('cluster0 still has the old tree', !has(0), 'kernel/fork.c');
  tow.must('exec', 'cluster0', 'true');
  prove('exec on cluster0 brings it', has(0), 'kernel/fork.c');

  const merged = sh(
    `rm -rf /dev/shm/towline-merge && mkdir /dev/shm/towline-merge && rsync -a --filter='dir-merge,- .gitignore' --exclude=/.git ${source}/ /dev/shm/towline-merge/ && find /dev/shm/towline-merge -type f | wc -l`,
  ).trim();
  rows.push(
    `| rsync's own \`--filter='dir-merge,- .gitignore'\` on this tree (its \`.*\` and \`/*\` match the root) | | sends ${merged} files |`,
  );
  for (const name of ['cluster0', 'cluster1']) tow.must('down', name, '--purge');
} finally {
  tow.end();
  rmSync(source, { recursive: true, force: true });
  rmSync('/dev/shm/towline-merge', { recursive: true, force: true });
  writeFileSync(
    'docs/proofs/linux.md',
    `# The main job on the Linux source\n\n\`scripts/prove linux\`, ${new Date().toISOString().slice(0, 10)}: Debian's linux-source-6.1 as a git repository with one commit, two ssh hosts (network namespaces with an sshd, an ordinary user and a home each), ${machine()}.\n\n| | holds | |\n|---|---|---|\n${rows.join('\n')}\n`,
  );
}
