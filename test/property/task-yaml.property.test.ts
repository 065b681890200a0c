/**
 * Whatever bytes a task file or a pool file has, reading it ends in a value or in a `TowError` that names a place in the
 * file and a way out, soon, and never anything else.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { poolPath } from '../../controller/cluster/pool-path.ts';
import { readPools } from '../../controller/cluster/pools.ts';
import { loadTask } from '../../controller/task/load-task.ts';
import { resourceKeys, storageKeys, taskKeys } from '../../controller/task/task-keys.ts';
import { parseYaml } from '../../controller/yaml/parse-yaml.ts';
import { YamlFile } from '../../controller/yaml/yaml-file.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { taskOptions } from '../helpers/task-options.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tow-fuzz-'));
  await mkdir(join(cwd, '.towline'));
  await mkdir(join(cwd, 'proj'));
});
afterAll(async () => await rm(cwd, { recursive: true }));

/** Reads the bytes as a task and as pools. */
async function readBoth(bytes: string | Uint8Array): Promise<void> {
  await writeFile(join(cwd, 'task.yaml'), bytes);
  await writeFile(poolPath(cwd), bytes);
  for (const read of [
    async (): Promise<unknown> => await loadTask(taskOptions({ entry: 'task.yaml' }), { cwd, env: { HOME: cwd } }),
    async (): Promise<unknown> => await readPools(cwd),
  ]) {
    const error: unknown = await read().then(
      () => undefined,
      (caught: unknown) => caught,
    );
    if (error === undefined) continue;
    if (!(error instanceof TowError)) throw new Error('no TowError', { cause: error });
    expect(error).toMatchObject({
      code: expect.not.stringMatching(/^(?:internal|io)$/),
      hint: expect.stringMatching(/./),
    });
    // No control character of the file reaches a terminal.
    expect(`${error.message}${error.hint}`).not.toMatch(/[\0-\x09\x0b-\x1f\x7f]/);
  }
}

const allKeys = [
  ...taskKeys.used,
  ...taskKeys.ignored,
  ...resourceKeys.used,
  ...resourceKeys.ignored,
  ...storageKeys.used,
  'hosts',
  'ip',
  'url',
];
const scalars = fc.oneof(
  fc.string(),
  fc.constantFrom(
    'proj',
    '~/x',
    '/tmp/x',
    's3://bucket/x',
    '$A',
    '${A}',
    'ssh/lab',
    'local',
    '.',
    '..',
    'a/../b',
    'x/',
    '',
  ),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
);
const keys = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...allKeys) },
  fc.string(),
  fc.constantFrom('~/a', '/tmp/b', 'A', '<<'),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    { weight: 2, arbitrary: scalars },
    { weight: 4, arbitrary: fc.dictionary(keys, tie('tree'), { maxKeys: 6 }) },
    { weight: 1, arbitrary: fc.array(tie('tree'), { maxLength: 4 }) },
  ),
}));

test('values of every kind at every key', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(keys, tree), async (value) => await readBoth(stringify(value))),
    { numRuns: 1000 },
  );
});

test('text of YAML signs', async () => {
  const word = fc.constantFrom(
    'a',
    'run',
    'envs',
    ': ',
    ':',
    '- ',
    '? ',
    '\n',
    '\n  ',
    '[',
    ']',
    '{',
    '}',
    ',',
    '&a ',
    '*a',
    '!!str ',
    '!x ',
    '|',
    '>',
    '"',
    "'",
    '#',
    '%',
    '---\n',
    '...\n',
    '<<',
    '\t',
    '~',
    '$A',
    '\u0000',
    '\u2028',
    '\uFEFF',
    '%YAML 1.1\n',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 40 }), async (words) => await readBoth(words.join(''))),
    { numRuns: 1500 },
  );
});

test('bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => await readBoth(bytes)),
    { numRuns: 300 },
  );
});

test('what the YAML library writes is read as it was meant', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (record) => {
      const text = stringify(record, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' });
      const node = parseYaml(new YamlFile('x.yaml', text, 'invalid-task'));
      if (node?.type !== 'map') throw new Error(`no mapping: ${text}`);
      const found = node.entries.map(({ key, value }) => [key, value.type === 'scalar' ? value.text : undefined]);
      expect(found).toEqual(Object.entries(record));
    }),
  );
});

test.each([
  [
    'a billion laughs',
    `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`).join('\n')}`,
  ],
  ['brackets', '['.repeat(1 << 20)],
  ['braces', '{a: '.repeat(1 << 18)],
  ['dashes', '- '.repeat(1 << 19)],
  ['question marks', '? '.repeat(1 << 19)],
  ['keys', Array.from({ length: 90_000 }, (_, i) => `k${i}: v`).join('\n')],
  ['one key over and over', 'run: v\n'.repeat(140_000)],
  ['an open quote', `run: "${'x\n'.repeat(500_000)}`],
  ['steps', Array.from({ length: 1300 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ['anchors', Array.from({ length: 9000 }, (_, i) => `k${i}: &a${i} v`).join('\n')],
  ['comments', '# x\n'.repeat(250_000)],
  ['tags', 'a: !!x !!x\n'.repeat(90_000)],
])('a hostile file of %s ends soon', async (_, text) => {
  const started = performance.now();
  await readBoth(text.slice(0, 1 << 20));
  expect(performance.now() - started).toBeLessThan(4000);
});
