import { expect, test } from 'vitest';
import { listAll } from '../../../protocol/store/list-all.ts';
import type { ListOptions, ListPage } from '../../../protocol/store/object-store.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { MemoryStore } from '../../helpers/memory-store.ts';

const { signal } = new AbortController();

async function keysOf(store: MemoryStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of listAll(store, prefix, signal)) keys.push(...page.map(({ key }) => key));
  return keys;
}

function bucketOf(keys: readonly string[], pageSize: number): MemoryStore {
  const store = new MemoryStore();
  store.pageSize = pageSize;
  for (const key of keys) store.set(key, key);
  return store;
}

test.each([1, 2, 3, 1000])('all keys below the prefix, once, in order, by pages of %i', async (pageSize) => {
  const store = bucketOf(['a/1', 'a/2', 'a/\ufb01', 'a/\u{1f600}', 'b', 'a'], pageSize);
  expect(await keysOf(store, 'a/')).toEqual(['a/1', 'a/2', 'a/\ufb01', 'a/\u{1f600}']);
});

test('the next page is asked for while this one is used', async () => {
  const store = bucketOf(['a', 'b', 'c'], 1);
  const pages = listAll(store, '', signal);
  await pages.next();
  expect(store.count('list')).toBe(2);
  await pages.return();
});

test('a page that fails is told when it is its turn', async () => {
  const store = bucketOf(['a', 'b', 'c'], 1);
  let lists = 0;
  store.before = () => {
    lists += 1;
    if (lists === 3) throw new Error('third');
  };
  const seen: string[] = [];
  const read = async (): Promise<void> => {
    for await (const page of listAll(store, '', signal)) seen.push(...page.map(({ key }) => key));
  };
  expect(await codeOf(read())).toContain('third');
  expect(seen).toEqual(['a', 'b']);
});

const page = (keys: readonly string[], next: string | undefined): ListPage => ({
  objects: keys.map((key) => ({ key, size: 0, version: 'v', modifiedMs: 0 })),
  prefixes: [],
  next,
});

test.each<[string, (options: ListOptions, asked: number) => ListPage]>([
  ['gives the same page for ever', () => page(['a', 'b'], 'x')],
  ['goes round in three', (_, asked) => page([], `${asked % 3}`)],
  ['goes round in seventeen after five', (_, asked) => page([], `${asked < 5 ? -asked : (asked - 5) % 17}`)],
  ['starts anew under another cursor', (_, asked) => page(['a', 'b'], `${asked}`)],
])('a service that %s is found out', async (_, answer) => {
  const store = new MemoryStore();
  let asked = 0;
  store.listing = (options) => answer(options, asked++);
  expect(await codeOf(keysOf(store))).toBe('store-failed');
  expect(asked).toBeLessThan(100);
});

test('empty pages in between are none of the end', async () => {
  const store = new MemoryStore();
  const pages = [page(['a'], '1'), page([], '2'), page([], '3'), page(['b'], undefined)];
  store.listing = ({ cursor }) => pages[Number(cursor ?? 0)];
  expect(await keysOf(store)).toEqual(['a', 'b']);
});
