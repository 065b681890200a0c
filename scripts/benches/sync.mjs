// Ours beside rsync over ssh, sync.mjs [RUNS] [ROW…]: docs/benchmarks/sync.json and, from it, docs/benchmarks.md.
import { bigFile } from './sync/big-file.mjs';
import { Book } from './sync/book.mjs';
import { checkout } from './sync/checkout.mjs';
import { growth } from './sync/growth.mjs';
import { Lab } from './sync/lab.mjs';
import { linux } from './sync/linux.mjs';
import { moves } from './sync/moves.mjs';
import { rows } from './sync/rows.mjs';
import { slowLinux } from './sync/slow-linux.mjs';
import { writeTable } from './sync/table.mjs';
import { versions } from './sync/versions.mjs';

const [runsText = '5', ...chosen] = process.argv.slice(2);
const runs = Number(runsText);
const known = (choice) => rows.some(({ key }) => key === choice || key.startsWith(`${choice}-`));
if (!Number.isInteger(runs) || runs < 0 || !chosen.every(known)) {
  console.error(`bench sync [RUNS] [ROW…], rows: ${rows.map(({ key }) => key).join(' ')}`);
  process.exit(2);
}
const wanted = (key) => chosen.length === 0 || chosen.some((choice) => key === choice || key.startsWith(`${choice}-`));

const book = new Book('docs/benchmarks/sync.json', `scripts/bench sync ${[runs, ...chosen].join(' ')}`);
if (runs > 0) {
  const lab = new Lab();
  try {
    for (const group of [linux, slowLinux, checkout, versions, bigFile, moves, growth]) {
      const started = performance.now();
      const keys = group.keys.filter(wanted);
      if (keys.length === 0) continue;
      // One row that cannot be run is said, and does not cost the others.
      try {
        group.run({ lab, book, runs, wanted });
      } catch (error) {
        console.error(`rows ${keys.join(' ')}: FAILED: ${error.message}`);
        process.exitCode = 1;
      }
      book.save();
      console.log(`rows ${keys.join(' ')}: ${((performance.now() - started) / 1000).toFixed(0)} s in all`);
    }
  } finally {
    lab.end();
  }
}
console.log(`\n${writeTable(book.rows, 'docs/benchmarks.md')}`);
