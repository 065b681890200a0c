/** The record of what was copied from a bucket is damaged on the node: the command says so, goes on, and says it once. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TowHome } from '../helpers/tow.ts';

let home: TowHome;
let project = '';
const storage = '{name: here, source: ./data, store: local, mode: COPY}';

beforeAll(() => {
  home = new TowHome();
  project = join(home.home, 'project');
  mkdirSync(join(project, 'data'), { recursive: true });
  writeFileSync(join(project, 'data/a'), 'a');
  writeFileSync(join(project, 'task.yaml'), `file_mounts:\n  ~/data: ${storage}\nrun: cat ~/data/a\n`);
});
afterAll(() => home.dispose());

test('a damaged ledger is a warning, and no failure', () => {
  const launch = () => home.run(project, 'launch', '-c', 'dev', '--infra', 'local', 'task.yaml');
  expect(launch()).toMatchObject({ code: 0 });
  const agent = join(home.nodeHome('dev', 'head'), '.towline/agent');
  const copies = readdirSync(agent, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /copies.*ledger$/.test(path),
  );
  expect(copies.length).toBe(1);
  const path = join(agent, copies[0] ?? '');
  writeFileSync(path, readFileSync(path).subarray(1));
  const said = 'head: ~/data: the record of what was copied here was damaged';
  const warned = launch();
  expect(warned).toMatchObject({ code: 0 });
  expect(warned.stderr).toContain(said);
  const after = launch();
  expect(after).toMatchObject({ code: 0 });
  expect(after.stderr).not.toContain(said);
});
