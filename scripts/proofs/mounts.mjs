// Real trees as storages in a real S3 server, on two ssh hosts and two local nodes; writes docs/proofs/mounts.md.
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from './hosts.mjs';
import { MountsLab } from './mounts-lab.mjs';
import { changedPaths, digestsOf, editFile, linesOf, linuxParts, sizeOf, typescriptPackage } from './trees.mjs';

const kills = Number(process.env.TOWLINE_KILLS ?? 40);
/** A link that breaks must not fail a launch; the others may. */
const victims = ['agent', 'controller', 'agent', 'controller', 'link', 'Ctrl-C'];
const phases = ['start', 'upload', 'fetch', 'fetch'];
const rows = [];
const prove = (what, ok, detail) => {
  rows.push(`| ${what} | ${ok ? 'yes' : '**NO**'} | ${detail} |`);
  console.log(`${ok ? 'yes' : 'NO '} ${what}: ${detail}`);
  if (!ok) process.exitCode = 1;
};

const lab = await MountsLab.start();
const linux = join(lab.top, 'linux');
const npm = join(lab.top, 'typescript');
const few = join(lab.top, 'few');

/** Every node has what the source has, by find and sha256sum. */
function proveSame(what, clusters, mounts) {
  for (const { dest, source } of mounts) {
    const wanted = linesOf(source);
    const differ = lab.nodes.filter(
      (node) => clusters.includes(node.cluster) && lab.linesAt(node, dest.slice(2)) !== wanted,
    );
    const digest = createHash('sha256').update(wanted).digest('hex').slice(0, 16);
    prove(
      `${what}: ${dest} on ${clusters.join(' and ')}: bytes, modes, times, links`,
      differ.length === 0,
      differ.length === 0 ? `${digestsOf(wanted).size} files, ${digest}` : differ.map(({ name }) => name).join(', '),
    );
  }
}

function whole() {
  linuxParts(linux, 'fs', 'kernel', 'drivers/net');
  typescriptPackage(npm, '5.4.5', lab.cache);
  const mounts = [
    { dest: '~/linux', storage: 'linux', source: linux },
    { dest: '~/typescript', storage: 'npm', source: npm },
  ];
  const task = lab.task('whole', mounts);
  for (const cluster of ['far', 'near']) {
    const { fetchedBytes, uploaded, wallSeconds } = lab.launch(cluster, task);
    prove(
      `first launch of ${cluster}`,
      true,
      `${uploaded} files uploaded, ${fetchedBytes} bytes fetched, ${wallSeconds.toFixed(1)} s`,
    );
  }
  proveSame('first', ['far', 'near'], mounts);
  for (const { storage, source } of mounts) {
    const files = [...digestsOf(linesOf(source)).keys()];
    const objects = lab.objects(storage);
    const wrong = files.filter(
      (path) => objects.get(path)?.md5 !== md5Of(join(source, path)) && !isInParts(objects.get(path)),
    );
    prove(`${storage}: s3cmd lists every file with its MD5`, wrong.length === 0, `${objects.size} objects`);
  }
  const again = lab.launch('far', task);
  prove('again: nothing moves', again.uploaded === 0 && again.fetchedBytes === 0, `${again.wallSeconds.toFixed(1)} s`);

  const before = mounts.map(({ source }) => digestsOf(linesOf(source)));
  typescriptPackage(npm, '5.5.4', lab.cache);
  const names = [...before[0].keys()];
  for (let n = 0; n < 100; n += 1) editFile(join(linux, names[(n * 83) % names.length]), n);
  for (let n = 1; n <= 20; n += 1) rmSync(join(linux, names[(n * 311 + 7) % names.length]), { force: true });
  for (let n = 0; n < 20; n += 1) writeFileSync(join(linux, `new-${n}`), `new ${n}\n`);
  const changed = mounts.map(({ source }, at) => changedPaths(before[at], digestsOf(linesOf(source))));
  const count = changed[0].length + changed[1].length;
  const bytes = sizeOf(linux, changed[0]) + sizeOf(npm, changed[1]);
  const far = lab.launch('far', task);
  prove(
    'second version: only changed files go',
    far.uploaded === count,
    `${far.uploaded} uploaded, ${count} changed (typescript 5.4.5 → 5.5.4: ${changed[1].length}), ${far.wallSeconds.toFixed(1)} s`,
  );
  prove(
    'second version: only changed objects come',
    far.fetchedBytes === 2 * bytes,
    `${far.fetchedBytes} bytes to two nodes, ${bytes} changed`,
  );
  const near = lab.launch('near', task);
  prove(
    'second version, the other cluster',
    near.uploaded === 0 && near.fetchedBytes === 2 * bytes,
    `${near.fetchedBytes} bytes`,
  );
  proveSame('second', ['far', 'near'], mounts);
}

function md5Of(path) {
  return createHash('md5').update(readFileSync(path)).digest('hex');
}

function isInParts(object) {
  return object !== undefined && object.md5.includes('-');
}

/** kill -9 of agents and of the controller amid uploads and copies of edited files. */
async function killed() {
  linuxParts(few, 'kernel', 'fs/xfs');
  const mount = { dest: '~/few', storage: 'few', source: few };
  const task = lab.task('few', [mount]);
  lab.launch('far', task);
  const names = [...digestsOf(linesOf(few)).keys()];
  let salt = 1;
  const edit = () => {
    for (let n = 0; n < 250; n += 1, salt += 1)
      editFile(join(few, names[Math.floor(Math.random() * names.length)]), salt);
  };
  edit();
  lab.launch('far', task);
  const hits = {};
  let [partial, failed, ended, wrong] = [0, 0, 0, 0];
  for (let n = 0; n < kills; n += 1) {
    const victim = victims[n % victims.length];
    const before = digestsOf(linesOf(few));
    const md5s = new Map(names.map((path) => [path, md5Of(join(few, path))]));
    edit();
    const after = digestsOf(linesOf(few));
    const phase = phases[Math.floor(n / victims.length) % phases.length];
    const { code, hit } = await lab.launchAndStrike('far', task, phase, (child) => lab.kill(victim, child));
    const key = `${victim} in ${hit}`;
    hits[key] = (hits[key] ?? 0) + 1;
    if (code !== 0) ended += 1;
    for (const node of lab.nodes.filter(({ cluster }) => cluster === 'far'))
      for (const [path, digest] of digestsOf(lab.linesAt(node, 'few')))
        if (digest !== before.get(path) && digest !== after.get(path)) {
          partial += 1;
          console.log(`${key}: ${path} on ${node.name} is neither old nor new`);
        }
    for (const [path, { md5 }] of lab.objects('few'))
      if (md5 !== md5s.get(path) && md5 !== md5Of(join(few, path))) partial += 1;
    // Every other time files are edited before the next run.
    if (n % 4 > 1) edit();
    if (victim === 'link' && code !== 0) failed += 1;
    const next = lab.tow.run(...lab.launchLine('far', task));
    if (next.status !== 0) {
      failed += 1;
      console.log(`after ${key}:\n${next.stderr}`);
    }
    const wanted = linesOf(few);
    for (const node of lab.nodes.filter(({ cluster }) => cluster === 'far'))
      if (lab.linesAt(node, 'few') !== wanted) wrong += 1;
  }
  const what = Object.entries(hits)
    .map(([key, count]) => `${key} ${count}`)
    .join(', ');
  prove(
    `${kills} times kill -9 of agents, of the controller, of connections, or Ctrl-C, at random moments of upload and copy of 250 edited files`,
    true,
    `${what}; ${ended} launches failed`,
  );
  prove('no file and no object under its final name was ever in part', partial === 0, `${partial}`);
  prove('the next run ends, and one whose connections broke', failed === 0, `${failed} did not`);
  prove('and both hosts have the source then', wrong === 0, `${wrong} times not`);
  const text = (k) => lab.asRoot(k, `find /home/tow${k}/.towline/conflicts -name data 2>/dev/null | wc -l`).trim();
  prove(
    "nothing of it passed for somebody else's",
    text(0) === '0' && text(1) === '0',
    `${text(0)} and ${text(1)} conflicts`,
  );
}

function full() {
  lab.asRoot(
    0,
    'mkdir -p /home/tow0/disk && mount -t tmpfs -o size=10m tmpfs /home/tow0/disk && chown tow0: /home/tow0/disk',
  );
  const task = lab.task('full', [{ dest: '~/disk/few', storage: 'few', source: few }]);
  const ran = lab.tow.run(...lab.launchLine('far', task));
  const said = ran.stderr
    .split('\n')
    .filter((line) => /^(error|caused by|hint):/.test(line))
    .join(' ');
  prove(
    'a disk that is full: an error, with the path and the numbers',
    ran.status !== 0 && /disk\/few/.test(said) && /\d+/.test(said),
    said.replaceAll(lab.run, 'X'),
  );
  lab.asRoot(0, 'mount -o remount,size=200m /home/tow0/disk');
  const bytes = sizeOf(few, [...digestsOf(linesOf(few)).keys()]);
  const { fetchedBytes } = lab.launch('far', task);
  prove('with room it goes on', fetchedBytes <= 2 * bytes, `${fetchedBytes} bytes to two nodes`);
  proveSame('after a full disk', ['far'], [{ dest: '~/disk/few', source: few }]);
  // A mount below would keep the host's home from being replaced.
  lab.tow.must('down', 'far');
  lab.asRoot(0, 'umount -l /home/tow0/disk');
}

try {
  whole();
  await killed();
  full();
} finally {
  lab.end();
  writeFileSync(
    'docs/proofs/mounts.md',
    `# Real trees as storages\n\n\`scripts/prove mounts\`, ${new Date().toISOString().slice(0, 10)}: fs, kernel and drivers/net of the Linux source, and npm's typescript in two versions, uploaded to Ceph's gateway and copied to two ssh hosts (\`far\`) and two local nodes (\`near\`), ${machine()}. Compared by find and sha256sum.\n\n| | holds | |\n|---|---|---|\n${rows.join('\n')}\n`,
  );
}
