/**
 * kill -9 of the agent, and of the controller, at random moments of a sync of 5,000 files. After each: no file was ever
 * visible half-written, the next command finishes, the tree is the source's. The phase that was hit is counted.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstSeed } from '../helpers/first-seed.ts';
import { Random } from '../helpers/random.ts';
import { TowHome } from '../helpers/tow.ts';
import { missingOrDifferent, readTree, type TreeItem } from '../helpers/tree.ts';

const kills = Number(process.env['TOWLINE_KILLS'] ?? 20);
const phases = ['scan', 'plan', 'fetch', 'stage', 'switch', 'ledger'] as const;
const files = 5000;

let home: TowHome;
let project = '';
let work = '';
const random = new Random(firstSeed);

function write(file: number): void {
  const path = join(project, `d${file % 50}`, `f${file}`);
  writeFileSync(path, `${file} ${random.below(1e9)} `.repeat(1 + random.below(300)));
}

beforeAll(() => {
  home = new TowHome();
  project = join(home.home, 'project');
  for (let d = 0; d < 50; d += 1) mkdirSync(join(project, `d${d}`), { recursive: true });
  for (let file = 0; file < files; file += 1) write(file);
  expect(home.run(project, 'launch', '-c', 'k', '--infra', 'local', '--workdir', '.').code).toBe(0);
  work = join(home.nodeHome('k', 'head'), 'sky_workdir');
});
afterAll(() => home.dispose());

/** Runs a push; calls `strike` a random moment after the first event of a phase. Resolves with the phase that was on and the exit code. */
async function pushAndStrike(wanted: string, strike: () => void): Promise<{ hit: string; code: number }> {
  return await new Promise((resolve) => {
    const child = spawn(process.execPath, ['dist/tow.js', 'push', 'k', '--workdir', project, '--json'], {
      env: { HOME: home.home, PATH: process.env['PATH'] ?? '' },
    });
    let phase: string = 'scan';
    let hit = '';
    const soon = (): void => {
      if (hit !== '') return;
      hit = 'due';
      setTimeout(() => {
        hit = phase;
        strike();
      }, random.below(4));
    };
    if (wanted === 'scan') setTimeout(soon, 60 + random.below(60));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      for (const [, now] of text.matchAll(/"phase":"(\w+)"/g)) {
        phase = now ?? phase;
        if (now === wanted) soon();
      }
    });
    child.on('close', (code) => resolve({ hit, code: code ?? -1 }));
  });
}

/** Every file of the node is whole: as it was, or as it is to be. */
function expectWhole(before: ReadonlyMap<string, TreeItem>, after: ReadonlyMap<string, TreeItem>, where: string): void {
  for (const [path, { kind, content }] of readTree(work)) {
    if (kind !== 'file') continue;
    expect([before.get(path)?.content, after.get(path)?.content], `${where}: ${path} is half-written`).toContain(
      content,
    );
  }
}

async function round(index: number, strike: () => void): Promise<string> {
  const before = readTree(work);
  for (let n = 0; n < 400; n += 1) write(random.below(files));
  const after = readTree(project);
  const wanted = phases[index % phases.length] ?? 'fetch';
  const { hit, code } = await pushAndStrike(wanted, strike);
  const where = `seed ${firstSeed}, kill ${index} in ${hit}`;
  expectWhole(before, after, where);
  if (code !== 0) expect(home.run(project, 'push', 'k', '--workdir', project), where).toMatchObject({ code: 0 });
  expect(missingOrDifferent(after, readTree(work)), where).toEqual([]);
  return hit;
}

test.each(['agent', 'controller'] as const)(
  `kill -9 of the %s, ${kills} times`,
  { timeout: 60_000 + kills * 15_000 },
  async (victim) => {
    const hits = new Map<string, number>();
    for (let index = 0; index < kills; index += 1) {
      const hit = await round(index, () => {
        const pids = victim === 'agent' ? home.agentPids() : [home.controllerPid()];
        for (const pid of pids) kill(pid);
      });
      hits.set(hit, (hits.get(hit) ?? 0) + 1);
    }
    console.log(`kills of the ${victim} by phase (seed ${firstSeed}):`, Object.fromEntries(hits));
    expect(readFileSync(join(home.home, '.towline/controller/log'), 'utf8')).not.toContain('uncaught');
  },
);

/** The victim may just have ended by itself, as a controller does that another one replaces. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
