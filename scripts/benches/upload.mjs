// Ours beside rclone and aws, uploading from memory into one S3 server, upload.mjs [RUNS] [ROW…]: docs/benchmarks/upload.json and, from it, docs/benchmarks/upload.md.
import { chosenRows } from './buckets/chosen-rows.mjs';
import { Book, compare } from './sync/book.mjs';
import { UploadLab } from './upload/lab.mjs';
import { rows, width } from './upload/rows.mjs';
import { writeTable } from './upload/table.mjs';

const { runs, chosen } = chosenRows('upload', rows);
const book = new Book('docs/benchmarks/upload.json', `scripts/bench upload ${[runs, ...chosen].join(' ')}`);
const wanted = rows.filter(({ key }) => runs > 0 && (chosen.length === 0 || chosen.includes(key)));
const lab = new UploadLab();
try {
  if (wanted.length > 0) lab.fill();
  for (const row of wanted) {
    const names = ['ours', 'rclone', 'rclone-32', 'aws', ...(row.rcloneBest === undefined ? [] : ['rclone-best'])];
    if (!row.fresh) lab.uploadAll(names);
    for (let run = 0; run < runs; run += 1) {
      if (row.edits) lab.edit();
      // Minutes of those would say no more than one sample of each.
      const slow = row.fresh && run > 0;
      compare(book, row.key, run, {
        ours: () => lab.ours(row),
        'rclone-32': () => lab.rclone(row, 'rclone-32', width),
        ...(row.rcloneBest === undefined
          ? {}
          : { 'rclone-best': () => lab.rclone(row, 'rclone-best', row.rcloneBest) }),
        ...(slow ? {} : { rclone: () => lab.rclone(row, 'rclone', ''), aws: () => lab.awsSync(row) }),
      });
      book.save();
    }
    lab.check();
    book.fact(row.key, lab.versions());
    book.save();
  }
} finally {
  lab.end();
}
console.log(`\n${writeTable(book.rows, 'docs/benchmarks/upload.md')}`);
