import { expect, test } from 'vitest';
import { parseClusterName } from '../../../controller/cluster/cluster-name.ts';

test.each(['a', 'dev', 'dev-2', 'my-worker', 'worker1', 'dev-worker1-x', 'dev-', `a${'b'.repeat(39)}`])(
  '%s is a name',
  (name) => {
    expect(parseClusterName(name)).toBe(name);
  },
);

test.each([
  '',
  'Dev',
  '1dev',
  '-dev',
  'dev_2',
  'dev.2',
  'a b',
  'dev\n',
  '../x',
  'dev-worker1',
  'dev-worker12',
  `a${'b'.repeat(40)}`,
])('%j is none', (name) => {
  expect(() => parseClusterName(name)).toThrow(
    expect.objectContaining({ code: 'usage', hint: expect.stringContaining('1 to 40') }),
  );
});
