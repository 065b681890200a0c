/** Controller and agents are killed while a job runs: the next command brings the agents back, and so that job to its end. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TowHome } from '../helpers/tow.ts';

let home: TowHome;
beforeAll(() => {
  home = new TowHome();
});
afterAll(() => home.dispose());

test('a job that nobody can ask for does not keep its place for ever', () => {
  expect(home.run(home.home, 'launch', '-c', 'dev', '--infra', 'local', '-d', 'sleep 2').code).toBe(0);
  for (const pid of [...home.agentPids(), home.controllerPid()]) process.kill(pid, 'SIGKILL');
  expect(home.run(home.home, 'exec', 'dev', 'echo next')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('next'),
    stderr: expect.stringContaining('waiting for job 1'),
  });
});
