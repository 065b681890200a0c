// docs/benchmarks/copy.md from the raw samples.
import { writeFileSync } from 'node:fs';
import { cells, must as met, originsOf, tableOf } from '../buckets/markdown.mjs';
import { median } from '../sync/book.mjs';
import { rows } from './rows.mjs';

const must = 1;
const mostBytes = 300e6;

export function writeTable(stored, path) {
  const present = rows.filter(({ key }) => stored[key]);
  const head = [
    'case',
    'ours, s',
    'engine alone, s',
    'rclone, s',
    'rclone 32, s',
    'aws, s',
    'ours / the best',
    'engine / the best',
    'must',
    'met',
    'agent, MB',
    'must',
    'met',
    'samples',
  ];
  const table = tableOf(
    head,
    present.map((row) => line(row, stored[row.key])),
  );
  const keys = present.map(({ key }) => key);
  writeFileSync(path, page(table, originsOf(keys, stored)));
  return table;
}

function line({ text, rcloneBest }, { samples }) {
  const middle = (who) => median(samples[who].map(({ seconds }) => seconds));
  const [ours, engine, ...others] = ['ours', 'engine', 'rclone', 'rclone-32', 'aws'].map(middle);
  const best = Math.min(...others);
  // Said last: a run that was broken off has none.
  const peak = samples.agent === undefined ? undefined : median(samples.agent.map(({ peak: bytes }) => bytes));
  return cells([
    `${text} (rclone 32: \`${rcloneBest}\`)`,
    ours.toFixed(2),
    engine.toFixed(2),
    ...others.map((seconds) => seconds.toFixed(2)),
    (ours / best).toFixed(2),
    (engine / best).toFixed(2),
    must,
    met(ours, must * best),
    peak === undefined ? '?' : (peak / 1e6).toFixed(0),
    mostBytes / 1e6,
    peak === undefined ? '?' : met(peak, mostBytes),
    samples.ours.length,
  ]);
}

function page(table, origins) {
  return `# Copies of buckets

Ours, \`rclone copy\` (1.60) and \`aws s3 sync\` (1.45) in one run, from one S3 server (Ceph's gateway, on this machine, its objects in memory) to memory. Medians; who goes first changes from
sample to sample; aws, and rclone with its usual flags, have one sample where there are many objects. A ratio below 1 means that ours is faster; the best is the fastest of the other three.

* **Ours** is what a user waits for: \`tow push NAME task.yaml --file-mounts\` on a cluster of one local node that runs, its agent too. **Engine alone** is the agent's thread in a process of its own,
  from that process's start to its end. **rclone** has its usual flags, **rclone 32** those named; both are the wall time of the program, as is aws's.
* The server needs some 45 ms for a small object, whoever asks: what is in flight at once decides. The machine has two cores, for the server too.
* **Agent** is VmHWM of its process, after all samples.

${table}

${origins}

Raw data: [copy.json](copy.json).
`;
}
