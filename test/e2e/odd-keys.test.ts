/** Keys of a bucket on this machine that no directory can hold, as `tow storage ls` tells of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LocalBuckets } from '../../controller/buckets/local/local-buckets.ts';
import { TowHome } from '../helpers/tow.ts';

const { signal } = new AbortController();
let home: TowHome;
let project = '';

beforeAll(() => {
  home = new TowHome();
  project = join(home.home, 'project');
  mkdirSync(join(project, 'data/empty'), { recursive: true });
  writeFileSync(join(project, 'data/plain'), 'plain');
  writeFileSync(
    join(project, 't.yaml'),
    'file_mounts:\n  ~/mnt: {name: odd-keys, source: data, store: local, mode: COPY}\n',
  );
});
afterAll(() => home.dispose());

/** As a node does that writes to its bucket. */
async function put(...keys: readonly string[]): Promise<void> {
  home.run(project, 'stop');
  await using buckets = await LocalBuckets.open({
    directory: join(home.home, '.towline/buckets'),
    log: () => undefined,
  });
  for (const key of keys) await buckets.get('odd-keys').put(key, Buffer.from(key), {}, signal);
}

const listed = (): Record<string, unknown> | undefined =>
  home.events(project, 'storage', 'ls').find(({ kind }) => kind === 'storage');

test('there are none, then some, and the first hundred of many', async () => {
  const launched = home.run(project, 'launch', '-c', 'dev', '--infra', 'local', 't.yaml');
  expect(launched).toMatchObject({ code: 0 });
  expect(listed()).toMatchObject({ name: 'odd-keys' });
  expect(listed()).not.toHaveProperty('oddKeys');

  await put('a/b', 'a', 'x//y', '../up', 'fine');
  expect(listed()).toMatchObject({ oddKeys: ['../up', 'a', 'x//y'] });
  const { stdout, stderr } = home.run(project, 'storage', 'ls');
  expect(stdout).toContain('odd-keys');
  expect(stderr).toContain(
    'odd-keys has keys that no directory can hold, which lie beside its files: "../up", "a", "x//y"',
  );

  await put(...Array.from({ length: 110 }, (_, k) => `z//${k}`));
  expect(listed()).toMatchObject({ oddKeys: { length: 100 } });
  expect(home.run(project, 'storage', 'ls').stderr).toContain(', … (100, perhaps more)');
});
