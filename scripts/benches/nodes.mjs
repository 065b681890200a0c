// A bucket on three ssh hosts: each from the bucket beside workers from the head, nodes.mjs [RUNS]: docs/benchmarks/nodes.json and, from it, docs/benchmarks/nodes.md.
import { NodesLab } from './nodes/lab.mjs';
import { writeTable } from './nodes/table.mjs';
import { Book, compare } from './sync/book.mjs';

const runs = Number(process.argv[2] ?? 3);
if (!Number.isInteger(runs) || runs < 0) {
  console.error('bench nodes [RUNS]');
  process.exit(2);
}

const rows = [
  { key: 'line', rate: '200mbit', text: 'the bucket behind one line of 200 Mbit/s' },
  { key: 'lan', rate: '0', text: 'the bucket on the same network, no limit' },
];

const book = new Book('docs/benchmarks/nodes.json', `scripts/bench nodes ${runs}`);
if (runs > 0) {
  const lab = new NodesLab();
  try {
    for (const row of rows)
      for (let run = 0; run < runs; run += 1) {
        lab.shape(row.rate);
        compare(book, row.key, run, { bucket: () => lab.copy('bucket'), head: () => lab.copy('head') });
        book.save();
      }
  } finally {
    lab.end();
  }
}
console.log(`\n${writeTable(rows, book.rows, 'docs/benchmarks/nodes.md')}`);
