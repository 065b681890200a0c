// Ours beside rclone and aws, copying from one S3 server to memory, copy.mjs [RUNS] [ROW…]: docs/benchmarks/copy.json and, from it, docs/benchmarks/copy.md.
import { chosenRows } from './buckets/chosen-rows.mjs';
import { CopyLab } from './copy/lab.mjs';
import { rows } from './copy/rows.mjs';
import { writeTable } from './copy/table.mjs';
import { Book, compare } from './sync/book.mjs';

const { runs, chosen } = chosenRows('copy', rows);
const book = new Book('docs/benchmarks/copy.json', `scripts/bench copy ${[runs, ...chosen].join(' ')}`);
for (const row of rows) {
  if (runs === 0 || (chosen.length > 0 && !chosen.includes(row.key))) continue;
  const lab = new CopyLab();
  try {
    lab.fill(row);
    for (let run = 0; run < runs; run += 1) {
      // Half an hour of those would say no more than one sample of each.
      const slow = row.objects > 1 && run > 0;
      compare(book, row.key, run, {
        ours: () => lab.ours(row),
        engine: () => lab.engine(row),
        'rclone-32': () => lab.rclone(row, row.rcloneBest),
        ...(slow ? {} : { rclone: () => lab.rclone(row, row.rcloneDefault), aws: () => lab.awsSync(row) }),
      });
      book.save();
    }
    book.record(row.key, 'agent', { peak: lab.agentPeak() });
    lab.checkSame(row);
    book.save();
  } finally {
    lab.end();
  }
}
console.log(`\n${writeTable(book.rows, 'docs/benchmarks/copy.md')}`);
