/** A look at a whole source that goes by what the last one knew: only what changed since is listed, and no rule is read. */
import { joinPath, type RootPath } from '../../base/root-path.ts';
import { Turns } from '../../base/turns.ts';
import { type LastLook, rulesHold, walkOf } from './last-look.ts';
import { framedBytes, writeFrame } from './listing.ts';
import { type RoundsOptions, scanChanged } from './rescan.ts';
import type { ScanResult } from './scan.ts';
import type { ScannedDirectory } from './scanned-directory.ts';
import { type Rechecked, rootItself } from './tasks.ts';

type Scanned = ReadonlyMap<RootPath, ScannedDirectory>;

/** Parts a thread, so that large ones even out. */
const partsEach = 4;
/** If more than this part of the directories changed, a walk of all is as fast. */
const worthShare = 1 / 8;
const worthAnyway = 64;

export interface RecheckOptions extends Omit<RoundsOptions, 'watch' | 'walk'> {
  readonly look: LastLook;
}

/**
 * What a scan of the whole tree would have come to; undefined when that cannot be told, and it must be scanned: rules
 * changed, or much else, or something cannot be read. A change is seen as by a scan, by what `lstat` says of each file;
 * names that came or went by what it says of their directory.
 */
export async function recheck(options: RecheckOptions, signal: AbortSignal): Promise<ScanResult | undefined> {
  const { look, where, previous } = options;
  if (!previous.has(rootItself) || !rulesHold(look, where)) return undefined;
  const [{ changed, hasLinks }, { directories, lost }] = await lookedAt(options, signal);
  const whole = new Set<RootPath>(lost);
  const names = new Map<RootPath, ReadonlySet<string>>();
  for (const { path, names: some } of changed) {
    if (path === rootItself || !directories.has(path)) continue;
    if (some === undefined) whole.add(path);
    else names.set(path, new Set(some));
  }
  // Its record comes with the directory ''.
  if (changed.some(({ path }) => path === rootItself) && !names.has('')) whole.add('');
  const count = whole.size + names.size;
  // What a file with several names is called first may have gone with something of which nothing else was said.
  if (hasLinks && (count > 0 || directories.size < previous.size)) return undefined;
  if (count > Math.max(worthAnyway, directories.size * worthShare)) return undefined;
  const walk = walkOf(look);
  if (count === 0) return { directories, renewed: [], same: directories.size === previous.size, problems: [], walk };
  const known = new Set(look.rules.map(([path]) => path));
  const watch = {
    tree: { lost: false, add: () => undefined, remove: () => undefined },
    covers: (ruleFile: string) => known.has(ruleFile),
  };
  const rounds = { ...options, previous: directories, walk, watch };
  const result = await scanChanged(rounds, [...whole, ...names.keys()], names, signal);
  if (result === undefined) return undefined;
  // Counts and warnings of the last look stand for what was not looked at now.
  const warnings = [...new Set([...walk.warnings, ...result.walk.warnings])];
  return { ...result, walk: { ...walk, warnings }, same: result.same && directories.size === previous.size };
}

/** What the threads find, and what of it is in the tree, which is found out while they look. */
async function lookedAt(
  { pool, where, previous }: RecheckOptions,
  signal: AbortSignal,
): Promise<[Rechecked, Reachable]> {
  const cancel = new Int32Array(new SharedArrayBuffer(4));
  const stop = (): void => void Atomics.store(cancel, 0, 1);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const tasks: Promise<Rechecked>[] = [];
    for await (const known of framesOf(previous, pool.size * partsEach)) {
      const task = pool.run('recheck', { root: where.root, known, cancel }, signal, { transfer: [known.buffer] });
      // It may fail while others are still made; all are asked below.
      task.catch(() => undefined);
      tasks.push(task);
    }
    const all = Promise.allSettled(tasks);
    const inTree = await reachable(previous);
    const settled = await all;
    const failed = settled.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    const found = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const rechecked = {
      changed: found.flatMap(({ changed }) => changed),
      hasLinks: found.some(({ hasLinks }) => hasLinks),
    };
    return [rechecked, inTree];
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** All listings, as frames, in some parts of like size. */
async function* framesOf(previous: Scanned, parts: number): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const turns = new Turns();
  let total = 0;
  for (const { path, listing } of previous.values()) total += framedBytes(path, listing.bytes);
  let part: ScannedDirectory[] = [];
  let bytes = 0;
  for (const scanned of previous.values()) {
    part.push(scanned);
    bytes += framedBytes(scanned.path, scanned.listing.bytes);
    if (bytes * parts < total) continue;
    yield framed(part, bytes);
    part = [];
    bytes = 0;
    if (turns.over) await turns.next();
  }
  if (part.length > 0) yield framed(part, bytes);
}

function framed(part: readonly ScannedDirectory[], bytes: number): Uint8Array<ArrayBuffer> {
  const frames = Buffer.from(new ArrayBuffer(bytes));
  let at = 0;
  for (const { path, listing } of part) at = writeFrame(frames, at, path, listing.bytes);
  return new Uint8Array(frames.buffer, 0, bytes);
}

interface Reachable {
  readonly directories: Map<RootPath, ScannedDirectory>;
  readonly lost: readonly RootPath[];
}

/** Of what the index has (which forgets nothing) what is in the tree; and what is in the tree and it has not. */
async function reachable(previous: Scanned): Promise<Reachable> {
  const turns = new Turns();
  const directories = new Map<RootPath, ScannedDirectory>();
  const lost: RootPath[] = [];
  const todo: RootPath[] = [rootItself, ''];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    const scanned = previous.get(path);
    if (scanned === undefined) lost.push(path);
    else {
      directories.set(path, scanned);
      if (path !== rootItself) for (const name of scanned.listing.directories()) todo.push(joinPath(path, name));
    }
    if (turns.over) await turns.next();
  }
  return { directories, lost };
}
