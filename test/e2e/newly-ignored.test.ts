/** What the source ignores from now on stays on the node, a directory with all that is below it; what it has not any more goes. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TowHome } from '../helpers/tow.ts';

let home: TowHome;
let project = '';
let work = '';
beforeAll(() => {
  home = new TowHome();
  project = join(home.home, 'project');
  for (const path of [
    'build/a',
    'build/deep/b',
    'build/deep/er/c',
    'gone/d',
    'gone/deep/e',
    'logs/x.log',
    'logs/y.txt',
    'keep',
  ])
    write(path);
  expect(home.run(project, 'launch', '-c', 'ig', '--infra', 'local', '--workdir', '.').code).toBe(0);
  work = join(home.nodeHome('ig', 'head'), 'sky_workdir');
});
afterAll(() => home.dispose());

function write(path: string): void {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), path);
}

function push(): void {
  expect(home.run(project, 'push', 'ig', '--workdir', project)).toMatchObject({ code: 0 });
}

test('in one pull: ignored, removed, renamed and half of it ignored', () => {
  writeFileSync(join(project, '.gitignore'), 'build/\n*.log\nignored/deep/\n');
  // Gone at the source, but below what is ignored there.
  rmSync(join(project, 'build/deep/er'), { recursive: true });
  rmSync(join(project, 'gone/deep'), { recursive: true });
  push();
  for (const path of ['build/a', 'build/deep/b', 'build/deep/er/c', 'logs/x.log'])
    expect(readFileSync(join(work, path), 'utf8')).toBe(path);
  expect([existsSync(join(work, 'gone/deep')), existsSync(join(work, 'logs/y.txt'))]).toEqual([false, true]);
  write('ignored/f');
  write('plain/deep/g');
  push();
  // A rule that was there before catches what comes to its place; the directory that it was in is another one.
  renameSync(join(project, 'plain/deep'), join(project, 'ignored/deep'));
  rmSync(join(project, 'logs'), { recursive: true });
  push();
  expect([existsSync(join(work, 'ignored/deep')), existsSync(join(work, 'plain/deep'))]).toEqual([false, false]);
  // It is the node's since it was ignored.
  expect([existsSync(join(work, 'logs/y.txt')), existsSync(join(work, 'logs/x.log'))]).toEqual([false, true]);
});
