// docs/benchmarks/upload.md from the raw samples.
import { writeFileSync } from 'node:fs';
import { cells, must, originsOf, tableOf } from '../buckets/markdown.mjs';
import { median } from '../sync/book.mjs';
import { edited, files, rows, width } from './rows.mjs';

const others = ['rclone', 'rclone-32', 'rclone-best', 'aws'];
const head = [
  'case',
  'ours, s',
  'rclone, s',
  'rclone 32, s',
  'rclone, its best flags, s',
  'aws, s',
  'ours / the best',
  'must',
  'met',
  'ours and the node, s',
  'samples (ours, others)',
];

export function writeTable(stored, path) {
  const present = rows.filter(({ key }) => stored[key]);
  const lines = present.map((row) => line(row, stored[row.key]));
  const table = tableOf(head, lines);
  const keys = present.map(({ key }) => key);
  writeFileSync(path, page(table, originsOf(keys, stored), stored[keys[0]]?.facts ?? {}));
  return table;
}

function line(row, { samples }) {
  const secondsOf = (who) => samples[who]?.map(({ seconds }) => seconds);
  const ours = median(secondsOf('ours'));
  const middles = others.map((who) => (samples[who] === undefined ? undefined : median(secondsOf(who))));
  const best = Math.min(...middles.filter((seconds) => seconds !== undefined));
  return cells([
    row.text,
    ours.toFixed(2),
    ...middles.map((seconds) => seconds?.toFixed(2) ?? ''),
    (ours / best).toFixed(2),
    row.must ?? '',
    row.must === undefined ? '' : must(ours, row.must * best),
    median(samples.ours.map(({ total }) => total)).toFixed(2),
    [samples.ours, ...others.map((who) => samples[who] ?? [])].map(({ length }) => length).join(', '),
  ]);
}

function page(table, origins, { rclone = '?', aws = '?' }) {
  const [, believing] = rows.map(({ rcloneBest }) => rcloneBest);
  return `# Uploads into a bucket

${files.objects.toLocaleString('en')} files of ${files.bytes / 1000} KB in 100 directories, from memory into a bucket of one S3 server (Ceph's gateway, on this machine, its objects in memory): ours, \`rclone sync\` (${rclone}) and \`aws s3 sync\` (${aws}) in one run.
Medians; who goes first changes from sample to sample. A ratio below 1 means that ours is faster; the best is the fastest of the others.

* **Ours** is what a user waits for: \`tow push NAME task.yaml --file-mounts\` with a storage \`{name, source, store: {s3: URL}, mode: COPY}\`, from Enter to the line that says that it is uploaded, on a cluster of one local node that
  runs; of the first upload the bucket is made in that time, the others have theirs. **Ours and the node** is to the end of that command, when the node has copied the bucket too, which the others do not do.
* **rclone** has its usual flags, **rclone 32** \`${width}\`, **its best flags** are \`${believing}\`. All are the wall time of the program.
* The first upload is another bucket each time, nothing changed and ${edited} edited (one in each directory, before each round) are everybody's own bucket, filled before. After the last sample our bucket is compared with the
  files, by the MD5 of each.
* Ratios hang on what else the machine does: at a load of 17 the first upload came to 0.94. docs/decisions/0009 has that, and the processor time of each.
* The server shares the two cores with who uploads: what it takes for a request (some 2 ms of processor here) counts for everybody.

${table}

${origins}

Raw data: [upload.json](upload.json).
`;
}
