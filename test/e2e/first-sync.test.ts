/**
 * A first sync to two nodes, whose files go out while the source is scanned; kill -9 of the agents, or of the controller, at
 * random moments of it. The next command finishes it, and both trees are the source's.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstSeed } from '../helpers/first-seed.ts';
import { noise } from '../helpers/noise.ts';
import { Random } from '../helpers/random.ts';
import { TowHome } from '../helpers/tow.ts';
import { missingOrDifferent, readTree } from '../helpers/tree.ts';

const kills = Math.ceil(Number(process.env['TOWLINE_KILLS'] ?? 20) / 7);
const nodes = ['head', 'worker1'] as const;
const random = new Random(firstSeed);

let home: TowHome;
let round = 0;
beforeAll(() => {
  home = new TowHome();
  expect(home.run(home.home, 'launch', '-c', 'two', '--infra', 'local', '--num-nodes', '2').code).toBe(0);
});
afterAll(() => home.dispose());

/** A source that was never scanned, and a task that mounts it where no node has anything. */
function nextSource(): { readonly source: string; readonly task: string; readonly dest: string } {
  round += 1;
  const source = join(home.home, `source${round}`);
  for (let d = 0; d < 40; d += 1) {
    mkdirSync(join(source, `d${d}`, 'sub'), { recursive: true });
    for (let n = 0; n < 40; n += 1)
      write(join(source, `d${d}`, n % 2 === 0 ? 'sub' : '.', `f${n}`), random.below(60_000));
  }
  write(join(source, 'large'), 9_000_000);
  write(join(source, 'larger'), 20_000_000);
  const dest = `mount${round}`;
  const task = join(home.home, `task${round}.yaml`);
  writeFileSync(task, `file_mounts:\n  ~/${dest}: ${source}\nrun: "true"\n`);
  return { source, task, dest };
}

function write(path: string, bytes: number): void {
  writeFileSync(path, noise(random.below(1e9), bytes));
  // Two states of a file have the same size and times as often as not.
  utimesSync(path, 4.99e8, 4.99e8);
}

/** Runs the task; calls `strike` some milliseconds after the first files came, or the scan began. Resolves with the exit code. */
async function runAndStrike(
  task: string,
  afterMs: number,
  strike: () => void,
): Promise<{ code: number; came: boolean }> {
  return await new Promise((resolve) => {
    const child = spawn(process.execPath, ['dist/tow.js', 'exec', 'two', task, '--file-mounts', '--json'], {
      env: { HOME: home.home, PATH: process.env['PATH'] ?? '' },
    });
    let struck = false;
    let came = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      // Only what comes in advance is not counted against a total.
      came ||= /"phase":"fetch","totalFiles":0/.test(text);
      if (!came || struck) return;
      struck = true;
      setTimeout(strike, afterMs);
    });
    child.on('close', (code) => resolve({ code: code ?? -1, came }));
  });
}

test('both nodes have all of it, and it was sent before the snapshot was', async () => {
  const { source, task, dest } = nextSource();
  const { code, came } = await runAndStrike(task, 0, () => undefined);
  expect([code, came]).toEqual([0, true]);
  for (const node of nodes)
    expect(missingOrDifferent(readTree(source), readTree(join(home.nodeHome('two', node), dest)))).toEqual([]);
});

test.each(['agents', 'controller'] as const)(
  `kill -9 of the %s, ${kills} times`,
  { timeout: 60_000 + kills * 20_000 },
  async (victim) => {
    for (let index = 0; index < kills; index += 1) {
      const { source, task, dest } = nextSource();
      const where = `seed ${firstSeed}, kill ${index}`;
      const { code } = await runAndStrike(task, random.below(500), () => {
        const pids = victim === 'agents' ? home.agentPids() : [home.controllerPid()];
        for (const pid of pids) kill(pid);
      });
      if (code !== 0) {
        // Files change while nobody looks.
        write(join(source, 'd1/f1'), 30_000);
        write(join(source, 'large'), 9_000_000);
        expect(home.run(home.home, 'exec', 'two', task, '--file-mounts'), where).toMatchObject({ code: 0 });
      }
      for (const node of nodes)
        expect(
          missingOrDifferent(readTree(source), readTree(join(home.nodeHome('two', node), dest))),
          `${where}, ${node}`,
        ).toEqual([]);
    }
  },
);

/** The victim may just have ended by itself. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
