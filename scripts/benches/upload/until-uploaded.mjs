// Runs `tow … --json` and says when its storage was uploaded, and when all was done: until-uploaded.mjs TOW ARG…, seconds as JSON.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const started = performance.now();
const since = () => (performance.now() - started) / 1000;
const child = spawn(process.execPath, [...process.argv.slice(2), '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
let uploaded;
let last = '';
createInterface({ input: child.stdout }).on('line', (line) => {
  last = line;
  if (/"text":"uploaded /.test(line)) uploaded = since();
});
child.on('close', (code) => {
  if (code !== 0 || uploaded === undefined) {
    console.error(last);
    process.exit(code || 1);
  }
  console.log(JSON.stringify({ seconds: uploaded, total: since() }));
});
