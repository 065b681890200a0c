// docs/benchmarks/nodes.md from the raw samples.
import { writeFileSync } from 'node:fs';
import { median } from '../sync/book.mjs';

const cells = (values) => `| ${values.join(' | ')} |`;

export function writeTable(rows, stored, path) {
  const present = rows.filter(({ key }) => stored[key]);
  const head = [
    'case',
    'each from the bucket, s',
    'from the head, s',
    'head / bucket',
    'MB from the bucket',
    'with the head',
    'samples',
  ];
  const lines = present.map(({ key, text }) => {
    const { samples } = stored[key];
    const [bucket, byHead] = ['bucket', 'head'].map((who) => median(samples[who].map(({ seconds }) => seconds)));
    const mb = (who) => (median(samples[who].map(({ bucketBytes }) => bucketBytes)) / 1e6).toFixed(0);
    return cells([
      text,
      bucket.toFixed(2),
      byHead.toFixed(2),
      (byHead / bucket).toFixed(2),
      mb('bucket'),
      mb('head'),
      samples.head.length,
    ]);
  });
  const table = [cells(head), cells(head.map(() => '---')), ...lines].join('\n');
  const origins = present.map(({ key }) => {
    const { date, command, commit, machine, loadBefore } = stored[key];
    return `* ${key}: \`${command}\`, ${date.slice(0, 10)}, commit ${commit}, ${machine}, load before ${loadBefore}`;
  });
  writeFileSync(
    path,
    `# A bucket on several nodes

\`tow push NAME task.yaml --file-mounts\` on three ssh hosts on this machine (network namespaces), homes in memory: one object of 150 MiB and 2,000 of 25 KB, from Ceph's gateway on this machine,
without and with \`sync: {fetch: head}\`. From Enter to the end; medians; who goes first changes from sample to sample. The hosts reach each other without a limit. All three copies are compared, every byte.
The machine has two cores for the server and all three agents: without a limit, what is measured is its processor.

${table}

${origins.join('\n')}

Raw data: [nodes.json](nodes.json).
`,
  );
  return table;
}
