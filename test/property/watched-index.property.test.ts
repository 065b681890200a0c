/** Whatever git does to a repository that is watched, the next snapshot is the one of a scan that knows nothing. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { SourceBench } from '../helpers/source-bench.ts';

const { signal } = new AbortController();
const file = fc.constantFrom('a', 'x', 'd/a', 'd/x', 'd/e/a.o', 'x.d/a', 'x.d/e/a', 'x.d/e/x', 'x.d/f/a.o');

const change = fc.oneof(
  fc.record({ do: fc.constant('write' as const), file, text: fc.string({ maxLength: 4 }) }),
  fc.record({ do: fc.constant('unlink' as const), file }),
  fc.record({
    do: fc.constant('git' as const),
    file,
    argv: fc.constantFrom(
      ['add', '-f', '--', 'FILE'],
      ['rm', '-q', '--cached', '--ignore-unmatch', '--', 'FILE'],
      ['add', '-A', '.'],
      ['commit', '-qm', 'c'],
      ['checkout', '-qf', 'one'],
      ['checkout', '-qf', 'two'],
      ['read-tree', '--empty'],
      ['update-index', '--index-version', '4'],
      ['update-index', '--split-index'],
      ['update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},x.d/e`],
      ['config', 'core.ignorecase', 'true'],
    ),
  }),
  fc.record({ do: fc.constant('damage' as const), at: fc.nat(200) }),
);

/** With a look before anybody asks, or by a source that starts anew. */
const edit = fc
  .tuple(change, fc.constantFrom('', 'ahead', 'anew'))
  .map(([one, by]) => ({ ...one, ahead: by === 'ahead', anew: by === 'anew' }));

it('a watched repository', async () => {
  await using bench = await SourceBench.make();
  let renewed = 0;
  const run = bench.pool.run.bind(bench.pool);
  bench.pool.run = async (task, input, stop, options) => {
    const output = await run(task, input, stop, options);
    if (task === 'renew' && output !== undefined) renewed += 1;
    return output;
  };
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
      count += 1;
      rmSync(bench.root, { recursive: true, force: true });
      const git = (...argv: readonly string[]): void =>
        void spawnSync('git', ['-C', bench.root, '-c', 'user.name=t', '-c', 'user.email=t@t', ...argv]);
      const write = (path: string, text: string): void => {
        mkdirSync(dirname(join(bench.root, path)), { recursive: true });
        writeFileSync(join(bench.root, path), text);
      };
      write('.gitignore', 'x*\n*.o\n');
      for (const path of ['a', 'x', 'd/a', 'd/e/a.o', 'x.d/a']) write(path, path);
      git('init', '-q', '-b', 'one');
      git('add', '-f', '.');
      git('commit', '-qm', 'one');
      git('checkout', '-qb', 'two');
      write('x.d/e/a', 'two');
      write('x.d/b.o', 'two');
      git('add', '-f', 'x.d');
      git('rm', '-q', 'd/e/a.o');
      git('commit', '-qm', 'two');
      const indexFile = join(bench.top, `index${count}`);
      let source = await bench.open({ indexFile });
      await source.snapshot({ verify: false }, signal);
      expect(await source.watch()).toBe(true);
      for (const one of edits) {
        const index = join(bench.root, '.git/index');
        if (one.do === 'write' && existsSync(dirname(join(bench.root, one.file)))) write(one.file, one.text);
        if (one.do === 'unlink') rmSync(join(bench.root, one.file), { force: true });
        if (one.do === 'git') git(...one.argv.map((word) => (word === 'FILE' ? one.file : word)));
        if (one.do === 'damage' && existsSync(index)) {
          const bytes = readFileSync(index);
          bytes.writeUInt8((bytes[one.at % bytes.length] ?? 0) ^ 0x55, one.at % bytes.length);
          writeFileSync(index, bytes);
        }
        if (one.ahead) await source.lookAhead();
        if (one.anew) {
          await source.close();
          source = await bench.open({ indexFile });
        }
        const upon = await source.snapshot({ verify: false }, signal);
        const none = await bench.open({ indexFile: join(bench.top, 'none', `${count}`) });
        const anew = await none.snapshot({ verify: true }, signal);
        expect([...upon.manifest.directories.keys()].sort()).toEqual([...anew.manifest.directories.keys()].sort());
        expect(upon.digest).toBe(anew.digest);
        await none.close();
        rmSync(join(bench.top, 'none'), { recursive: true, force: true });
        await source.watch();
      }
      await source.close();
    }),
    { numRuns: Number(process.env['TOWLINE_RUNS'] ?? 25) },
  );
  // Otherwise every case went the long way, and nothing was compared.
  expect(renewed).toBeGreaterThan(0);
});
