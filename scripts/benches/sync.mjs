// Ours beside rsync over ssh: same tree, same host, homes in memory. Writes docs/benchmarks.md and docs/benchmarks/sync.json.
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linuxTree, machine, onHost, sh, startHosts, Tow } from '../proofs/hosts.mjs';

const runs = Number(process.argv[2] ?? 5);
const source = '/dev/shm/towline-linux';
const results = {};

const timed = (work) => {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
};
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const record = (row, who, seconds, bytes) => {
  results[row] ??= { ours: [], rsync: [], oursBytes: [], rsyncBytes: [] };
  results[row][who].push(seconds);
  if (bytes !== undefined) results[row][`${who}Bytes`].push(bytes);
  console.log(
    `${row.padEnd(16)} ${who.padEnd(6)} ${seconds.toFixed(3)} s${bytes === undefined ? '' : `  ${bytes} bytes`}`,
  );
};

const { bin, ssh } = startHosts(1);
linuxTree(source);
const tow = new Tow(bin);
// rsync's copy lies beside ours in the same home; the host has memory for both.
const rsync = (row) => {
  let out = '';
  const seconds = timed(() => {
    out = sh(`rsync -a --stats -e ${ssh} ${source}/ tow0:rsynced/`);
  });
  record(row, 'rsync', seconds, Number(/Total bytes sent: ([\d,]+)/.exec(out)?.[1]?.replaceAll(',', '') ?? 0));
};
// From Enter to the command's first instruction on the node, for exec; to the end of the sync for a first one.
const ours = (row, args) => {
  const before = Date.now();
  const ran = tow.must(...args, '--json');
  const events = ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const began = events.find(({ type }) => type === 'output')?.text;
  const seconds = began === undefined ? ran.seconds : Number(began) - before / 1000;
  record(row, 'ours', seconds, events.at(-1).sync?.sentBytes);
};
const first = 'date +%s.%N';

try {
  tow.must('pool', 'add', 'lab', 'tow0');
  const scratch = join(tow.home, 'empty');
  mkdirSync(scratch);
  writeFileSync(join(scratch, 'x'), '');
  for (let run = 0; run < runs; run += 1) {
    // A cluster whose agent runs, and a controller that has not seen the source: a first sync, not a first installation.
    tow.must('launch', '-c', 'bench', '--infra', 'ssh/lab', 'true');
    rmSync(join(tow.home, '.towline/controller/index'), { recursive: true, force: true });
    ours('first sync', ['push', 'bench', '--workdir', source]);
    onHost(0, 'rm -rf rsynced');
    rsync('first sync');
    for (let again = 0; again < 3; again += 1) {
      ours('no-op', ['exec', 'bench', first]);
      rsync('no-op');
      appendFileSync(join(source, 'kernel/fork.c'), `/* ${run} ${again} */\n`);
      ours('one-line edit', ['exec', 'bench', first]);
      rsync('one-line edit');
    }
    tow.must('down', 'bench', '--purge');
    onHost(0, 'rm -rf sky_workdir');
    tow.run('stop');
  }
} finally {
  tow.end();
  rmSync(source, { recursive: true, force: true });
}

const rows = Object.entries(results).map(([row, { ours: mine, rsync: theirs, oursBytes, rsyncBytes }]) => ({
  row,
  ours: median(mine),
  rsync: median(theirs),
  ratio: median(mine) / median(theirs),
  oursBytes: oursBytes.length > 0 ? median(oursBytes) : undefined,
  rsyncBytes: rsyncBytes.length > 0 ? median(rsyncBytes) : undefined,
  samples: { ours: mine, rsync: theirs },
}));
mkdirSync('docs/benchmarks', { recursive: true });
writeFileSync(
  'docs/benchmarks/sync.json',
  `${JSON.stringify({ date: new Date().toISOString(), machine: machine(), runs, rows }, null, 1)}\n`,
);
const table = rows.map(
  ({ row, ours: o, rsync: r, ratio, oursBytes, rsyncBytes }) =>
    `| ${row} | ${o.toFixed(2)} | ${r.toFixed(2)} | ${ratio.toFixed(2)} | ${oursBytes ?? ''} | ${rsyncBytes ?? ''} |`,
);
writeFileSync(
  'docs/benchmarks.md',
  `# Benchmarks

\`scripts/bench sync ${runs}\`, ${new Date().toISOString().slice(0, 10)}, ${machine()}. Debian's linux-source-6.1 with a \`.git\` of one commit, one ssh host on this machine
(a network namespace with an sshd), homes in memory, no delay and no shaping, medians. rsync is \`rsync -a\` over ssh with ControlMaster off, as users have it. For no-op and edit, ours is
from Enter on \`tow exec\` (daemon warm) to the command's first instruction on the node; rsync is one run of rsync, without running anything. A ratio below 1 means that ours is faster.

| case | ours, s | rsync, s | ours / rsync | ours, bytes sent | rsync, bytes sent |
|---|---|---|---|---|---|
${table.join('\n')}

Raw data: [benchmarks/sync.json](benchmarks/sync.json). The ratios are as they are: this version scans the source and the node's tree at every sync, reads its whole ledger, and starts a thread for
every pull. Watching the source, remembering what nodes hold and sending change and job together are the next step.
`,
);
console.log(`\n${table.join('\n')}`);
