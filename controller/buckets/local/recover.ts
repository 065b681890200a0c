/** What a crash left of a bucket is finished or undone, before anybody sees it. Cases: docs/decisions/0006. */
import { mkdir, opendir, rename, rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Turns } from '../../../protocol/base/turns.ts';
import { printIdentity, printOf } from '../../../protocol/pull/replica/print.ts';
import { type BucketFiles, oddName } from './bucket-files.ts';
import type { BucketIndex } from './bucket-index.ts';
import type { ByteKey } from './bucket-key.ts';
import type { LoadedIndex, Stand } from './index-load.ts';
import type { IndexEntry } from './index-record.ts';
import { lookAtFile, prepare, prune, statOf } from './plain-place.ts';
import { SpreadMap } from './spread-map.ts';
import { syncDirectories } from './sync-directory.ts';

const namesAtOnce = 512;

export async function recover(
  files: BucketFiles,
  index: BucketIndex,
  loaded: LoadedIndex,
  log: (line: string) => void,
): Promise<void> {
  const turns = new Turns();
  const temps = new SpreadMap<true>();
  for await (const name of namesIn(files.tmp, turns)) temps.set(name, true);
  const touched = new Set<string>();
  const stands: [ByteKey, IndexEntry | undefined][] = [];
  for (const [key, states] of loaded.unsettled) {
    const entry = loaded.entries.get(key);
    for (const directory of await finish(files, entry, key, states, temps)) touched.add(directory);
    stands.push([key, await standOf(files, entry, key, states)]);
  }
  await syncDirectories(touched);
  for (const [key, entry] of stands) {
    index.resolve(key, entry);
    if (turns.over) await turns.next();
  }
  for (const path of loaded.damaged)
    log(`${path} is damaged: objects that only it knew are without their type, or in ${files.lost}`);
  await clean(files, index, loaded.damaged.length > 0, turns);
}

/**
 * A write whose bytes are still staged is made, a removal whose file is still there, too; but not over what the user made
 * of it since. Returns the directories whose names changed.
 */
async function finish(
  files: BucketFiles,
  entry: IndexEntry | undefined,
  key: ByteKey,
  states: readonly Stand[],
  temps: Pick<SpreadMap<true>, 'has'>,
): Promise<readonly string[]> {
  const path = files.pathOf(entry?.place ?? 'files', key);
  const ours = async (): Promise<boolean> => {
    const stats = await lookAtFile(files, path);
    return stats === undefined || states.some(({ identity }) => identity === printIdentity(printOf(stats)));
  };
  if (entry === undefined) {
    if (files.plainPath(key) !== path || (await lookAtFile(files, path)) === undefined || !(await ours())) return [];
    await unlink(path);
    return await prune(files, path);
  }
  if (!temps.has(entry.temp)) return [];
  if (entry.place === 'odd') {
    await rename(`${files.tmp}/${entry.temp}`, path);
    return [files.odd, files.tmp];
  }
  if (!(await ours())) return [];
  const made = await prepare(files, path);
  if (made === false) {
    // A directory is in its way since: `standOf` finds it where keys lie that no directory holds.
    await rename(`${files.tmp}/${entry.temp}`, files.oddPath(key));
    return [files.odd, files.tmp];
  }
  await rename(`${files.tmp}/${entry.temp}`, path);
  return [...made, dirname(path), files.tmp];
}

/** What the index is to say of a key: of the file that lies there now, if it is one of ours. */
async function standOf(
  files: BucketFiles,
  entry: IndexEntry | undefined,
  key: ByteKey,
  states: readonly Stand[],
): Promise<IndexEntry | undefined> {
  for (const place of ['files', 'odd'] as const) {
    const stats = place === 'files' ? await plainStats(files, key) : await lookAtOdd(files, key);
    if (stats === undefined) continue;
    const identity = printIdentity(printOf(stats));
    const known = states.findLast((state) => state.entry !== undefined && state.identity === identity)?.entry;
    if (known !== undefined) return { ...known, place, print: printOf(stats) };
  }
  return entry?.place === 'odd' ? undefined : entry;
}

async function plainStats(files: BucketFiles, key: ByteKey) {
  const path = files.plainPath(key);
  return path === undefined ? undefined : await lookAtFile(files, path);
}

async function lookAtOdd(files: BucketFiles, key: ByteKey) {
  return await statOf(files.oddPath(key));
}

/** Nobody was promised what is staged without a record, and what no entry names is gone from the bucket. */
async function clean(files: BucketFiles, index: BucketIndex, damaged: boolean, turns: Turns): Promise<void> {
  await rm(files.uploads, { recursive: true, force: true });
  await mkdir(files.uploads, { mode: 0o700 });
  const odd = new SpreadMap<true>();
  for (let key = index.odd.from(''); key !== undefined; key = index.odd.from(`${key}\0`)) {
    odd.set(oddName(key), true);
    if (turns.over) await turns.next();
  }
  const leftover: string[] = [];
  for await (const name of namesIn(files.tmp, turns)) leftover.push(`${files.tmp}/${name}`);
  for await (const name of namesIn(files.odd, turns)) if (!odd.has(name)) leftover.push(`${files.odd}/${name}`);
  if (damaged) await mkdir(files.lost, { recursive: true, mode: 0o700 });
  for (const path of leftover) {
    if (damaged) await rename(path, `${files.lost}/${path.slice(path.lastIndexOf('/') + 1)}`);
    else await rm(path, { force: true });
  }
}

/** As `readdir`, but not all at once: there may be hundreds of thousands. */
async function* namesIn(directory: string, turns: Turns): AsyncGenerator<string, void, undefined> {
  for await (const { name } of await opendir(directory, { bufferSize: namesAtOnce })) {
    yield name;
    if (turns.over) await turns.next();
  }
}
