/** What a watched root on a node must not miss. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { plainSnapshot } from '../helpers/plain-source.ts';
import { WatchedNode, watchedPull } from '../helpers/watched-pull.ts';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'pull-'));
  mkdirSync(join(top, 'src/d'), { recursive: true });
  mkdirSync(join(top, 'node/home'), { recursive: true });
});
afterEach(() => rmSync(top, { recursive: true }));

test('a directory that was gone when watching began, and that the pull made again', async () => {
  writeFileSync(join(top, 'src/d/f'), 'one');
  const copy = join(top, 'node/home/work/d/f');
  using first = new WatchedNode();
  await watchedPull(plainSnapshot(join(top, 'src')), { node: join(top, 'node') }, first);
  rmSync(join(top, 'node/home/work/d'), { recursive: true });
  using node = new WatchedNode();
  await watchedPull(plainSnapshot(join(top, 'src')), { node: join(top, 'node') }, node);
  await watchedPull(plainSnapshot(join(top, 'src')), { node: join(top, 'node') }, node);
  writeFileSync(copy, "the node's");
  await watchedPull(plainSnapshot(join(top, 'src')), { node: join(top, 'node') }, node);
  expect(node.partial).toBeGreaterThan(0);
  expect(readFileSync(copy, 'utf8')).toBe('one');
});
