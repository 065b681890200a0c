// One concept a file: source files have at most 400 lines and a median below 100, tests at most 600.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.mjs'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter(Boolean);
const lines = (file) => readFileSync(file, 'utf8').split('\n').length - 1;
const sized = files.map((file) => ({ file, test: file.startsWith('test/'), lines: lines(file) }));
const tooLong = sized.filter(({ test, lines }) => lines > (test ? 600 : 400));
const sources = sized
  .filter(({ test }) => !test)
  .map(({ lines }) => lines)
  .sort((a, b) => a - b);
const median = sources[Math.floor(sources.length / 2)];
for (const { file, lines } of tooLong) console.error(`${file}: ${lines} lines`);
if (median >= 100) console.error(`the median source file has ${median} lines`);
console.log(`${sources.length} source files, median ${median} lines, longest ${sources.at(-1)}`);
process.exit(tooLong.length > 0 || median >= 100 ? 1 : 0);
