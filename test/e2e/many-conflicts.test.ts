/** Five thousand files of long names that a job changed and the source too: more than one message could name. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TowHome } from '../helpers/tow.ts';

const [directories, each] = [50, 100];
const total = directories * each;
const paths = Array.from(
  { length: total },
  (_, k) => `directory-${k % directories}/a-file-with-quite-a-long-name-${k}`,
);
let home: TowHome;
let project = '';
let node = '';

beforeAll(() => {
  home = new TowHome();
  project = join(home.home, 'project');
  for (let k = 0; k < directories; k += 1) mkdirSync(join(project, `directory-${k}`), { recursive: true });
  for (const path of paths) writeFileSync(join(project, path), path);
  home.run(project, 'launch', '-c', 'dev', '--infra', 'local', '--workdir', '.', 'true');
  node = join(home.nodeHome('dev', 'head'), 'sky_workdir');
});
afterAll(() => home.dispose());

function conflict(): void {
  for (const path of paths) {
    appendFileSync(join(node, path), 'theirs');
    appendFileSync(join(project, path), 'ours');
  }
}

const listed = (): readonly Record<string, unknown>[] =>
  home.events(project, 'conflicts', 'ls', 'dev').filter(({ kind }) => kind === 'conflict');

test('are kept, counted and listed, all of them', () => {
  conflict();
  const ran = home.run(project, 'exec', 'dev', 'true');
  expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining(`${total} paths were changed on the node`)]);
  expect(ran.stderr).toContain(`${total} conflicts`);
  for (const path of paths) expect(readFileSync(join(node, path), 'utf8')).toBe(`${path}ours`);
  expect(new Set(listed().map(({ path }) => path))).toEqual(new Set(paths.map((path) => `~/sky_workdir/${path}`)));
});

test('are put back by their ids, and what was there is kept in their stead', () => {
  const ids = listed().map(({ id }) => String(id));
  const some = ids.slice(0, 500);
  const ran = home.run(project, 'conflicts', 'restore', 'dev', ...some);
  expect([ran.code, ran.stdout + ran.stderr]).toEqual([0, expect.stringContaining('500 kept versions put back')]);
  const back = paths.filter((path) => readFileSync(join(node, path), 'utf8') === `${path}theirs`);
  expect([back.length, listed().length]).toEqual([500, total]);
});

test('go, all of them, when they are told to', () => {
  const ran = home.run(project, 'conflicts', 'prune', 'dev', '--all');
  expect([ran.code, ran.stdout + ran.stderr]).toEqual([0, expect.stringContaining(`${total} kept versions deleted`)]);
  expect(listed()).toEqual([]);
  const [machine = ''] = readdirSync(join(home.nodeHome('dev', 'head'), '.towline/conflicts'));
  expect(readdirSync(join(home.nodeHome('dev', 'head'), '.towline/conflicts', machine))).toEqual([]);
});
