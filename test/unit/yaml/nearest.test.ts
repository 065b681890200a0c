import { expect, test } from 'vitest';
import { resourceKeys, taskKeys } from '../../../controller/task/task-keys.ts';
import { nearest, suggestion } from '../../../controller/yaml/nearest.ts';

const known = [...taskKeys.used, ...taskKeys.ignored];

test.each([
  ['workdri', 'workdir'],
  ['work_dir', 'workdir'],
  ['Workdir', 'workdir'],
  ['work', undefined],
  ['num-nodes', 'num_nodes'],
  ['numnodes', 'num_nodes'],
  ['num_node', 'num_nodes'],
  ['nodes', undefined],
  ['env', 'envs'],
  ['evns', 'envs'],
  ['secret', 'secrets'],
  ['file_mount', 'file_mounts'],
  ['filemounts', 'file_mounts'],
  ['mounts', undefined],
  ['setpu', 'setup'],
  ['rnu', 'run'],
  ['runs', 'run'],
  ['resource', 'resources'],
  ['volume', 'volumes'],
  ['snyc', 'sync'],
  ['', undefined],
  ['zzz', undefined],
  ['x'.repeat(100), undefined],
])('the task key %j is most likely %s', (word, expected) => {
  expect(nearest(word, known)).toBe(expected);
});

test.each([
  ['acelerators', 'accelerators'],
  ['accelerator', 'accelerators'],
  ['gpus', 'cpus'],
  ['cpu', 'cpus'],
  ['usespot', 'use_spot'],
  ['instance', undefined],
  ['disksize', 'disk_size'],
  ['infa', 'infra'],
])('the resource %j is most likely %s', (word, expected) => {
  expect(nearest(word, [...resourceKeys.used, ...resourceKeys.ignored])).toBe(expected);
});

test('without a near one, what there is', () => {
  expect(suggestion('lba', ['lab', 'office'])).toBe('did you mean lab?');
  expect(suggestion('zzz', ['lab', 'office'])).toBe('there is: lab, office');
  expect(suggestion('zzz', [])).toBe('there is none');
});
