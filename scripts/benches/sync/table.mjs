// docs/benchmarks.md from the raw samples.
import { writeFileSync } from 'node:fs';
import { median } from './book.mjs';
import { rows } from './rows.mjs';

const met = (yes) => (yes ? 'yes' : '**no**');
const mb = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0);
const cells = (values) => `| ${values.join(' | ')} |`;
const middle = (samples, field) => median(samples.map((sample) => sample[field]));

export function writeTable(stored, path) {
  const present = rows.filter(({ key }) => stored[key]);
  const times = present.filter(({ memory }) => !memory).map((row) => timeRow(row, stored[row.key]));
  const memories = present.filter(({ memory }) => memory).flatMap((row) => memoryRows(row, stored[row.key]));
  const table = [
    cells([
      'row',
      'case',
      'ours, s',
      'rsync, s',
      'ours / rsync',
      'must',
      'met',
      'after',
      'met',
      'ours, MB',
      'rsync, MB',
      'bytes must',
      'met',
      'beside',
      'samples',
    ]),
    cells(Array(15).fill('---')),
    ...times,
  ].join('\n');
  const memoryTable = [
    cells(['row', 'case', 'resident memory of', 'MB', 'must', 'met', 'samples']),
    cells(Array(7).fill('---')),
    ...memories,
  ].join('\n');
  writeFileSync(
    path,
    page(
      table,
      memoryTable,
      present.map(({ key }) => ({ key, ...stored[key] })),
    ),
  );
  return `${table}\n\n${memoryTable}`;
}

function timeRow({ key, text, must, after, bytes }, { samples, facts }) {
  const ours = middle(samples.ours, 'seconds');
  const wire = { ours: middle(samples.ours, 'wire'), rsync: middle(samples.rsync, 'wire') };
  const rsync = middle(samples.rsync, 'seconds');
  const ratio = ours / rsync;
  const named = { mastered: 'rsync with a ControlMaster', tar: 'tar \\| ssh tar' };
  const beside = Object.entries(samples)
    .filter(([who]) => named[who])
    .map(
      ([who, list]) =>
        `${named[who]} ${middle(list, 'seconds').toFixed(2)} s (ours / it ${(ours / middle(list, 'seconds')).toFixed(2)})`,
    );
  return cells([
    key,
    facts.files === undefined ? text : `${text}, ${facts.files.toLocaleString('en')} files`,
    ours.toFixed(2),
    rsync.toFixed(2),
    ratio.toFixed(2),
    must ?? '',
    must ? met(ratio <= must) : '',
    after ?? '',
    after ? met(ratio <= after) : '',
    mb(wire.ours),
    mb(wire.rsync),
    bytes?.text(facts) ?? '',
    bytes ? met(bytes.met(wire, facts)) : '',
    beside.join(', '),
    samples.ours.length,
  ]);
}

function memoryRows({ key, text, memory }, { samples, facts }) {
  const what = facts.files === undefined ? text : `${text}, ${facts.files.toLocaleString('en')} files`;
  return [
    ['agent, peak', samples.agent, 'peak', memory.agentPeak],
    ['agent, 20 s after', samples.agent, 'atRest', memory.agentAtRest],
    ['controller, peak', samples.controller, 'peak', memory.controllerPeak],
  ].map(([who, list, field, must]) => {
    const bytes = middle(list, field);
    const limit = must === undefined ? ['', ''] : [mb(must), met(bytes <= must)];
    return cells([key, what, who, mb(bytes), ...limit, list.length]);
  });
}

function page(table, memoryTable, entries) {
  const origins = new Map();
  for (const { key, date, command, commit, machine } of entries) {
    const origin = `\`${command}\`, ${date.slice(0, 10)}, commit ${commit}, ${machine}`;
    origins.set(origin, [...(origins.get(origin) ?? []), key]);
  }
  return `# Benchmarks

Ours and rsync over ssh in one run, on the same work, to one ssh host on this machine (a network namespace with an sshd), homes and source in memory. Medians; who goes first changes from sample
to sample. A ratio below 1 means that ours is faster. "must" and "after" are the targets now and after the next step, for ours / rsync.

* **Ours** is \`tow exec … 'date +%s.%N'\`: from Enter to the command's first instruction on the node. **rsync** is the wall time of one run of rsync, which runs no command.
  Ours has a daemon that runs (but for row 11) and an agent that runs; rsync has ControlMaster off, as users have it, but for the column "beside".
* **LAN** (no other word said): no delay, no shaping, \`rsync -a\`. **Slow link**: 100 Mbit/s towards the host, 40 ms round trip, \`rsync -az\`. Rows 5, 8 and 9 have \`--delete\`.
* **MB** (10⁶ bytes) are all bytes on the host's network interface, both directions, ssh and TCP/IP included; for ours also the job's own messages. What the programs say they sent is in the raw data.
* Row 1, 2, 10 first sync: the host's home is empty but for a running agent, the controller has seen nothing. Row 5: files that are the same in both versions keep their times.
  Rows with changes: Enter comes right after the change (our daemon is stopped while rsync goes first: it reads what changes by itself); rows "-later": 3 s after it.
  Row 9: all branches are in the repository before; each sample checks out one that no copy has seen. Row 6's manifest is counted as 36 bytes for each 16.8 KiB.
* Memory, of all processes of the agent: peaks are VmHWM of /proc/PID/status, added up; at rest from /proc/PID/smaps, what two of them map of one file (Node's program) counted once. Raw data have the plain sum of VmRSS, too. There is no limit set for the agent's peak with a million files.

${table}

${memoryTable}

${[...origins].map(([origin, keys]) => `* ${keys.join(', ')}: ${origin}`).join('\n')}

Raw data: [benchmarks/sync.json](benchmarks/sync.json). Buckets, beside rclone and aws: [copies of them](benchmarks/copy.md), [uploads into them](benchmarks/upload.md), [several nodes](benchmarks/nodes.md).
`;
}
