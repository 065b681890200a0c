/** One COPY of a bucket's prefix, or of one object, to this node: docs/decisions/0005-bucket-copies.md has its steps and why they are safe. */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, type Problem, TowError } from '../../protocol/base/errors.ts';
import { absolutePath, displayPath, type RootPath } from '../../protocol/base/root-path.ts';
import { syncStage } from '../../protocol/pull/replica/barrier.ts';
import { claimRoot } from '../../protocol/pull/replica/claim-root.ts';
import { type DestinationRules, resolveDestination } from '../../protocol/pull/replica/destination.ts';
import { checkSpace, explainDiskFull } from '../../protocol/pull/replica/disk-full.ts';
import { pathsInside, rememberRoot } from '../../protocol/pull/replica/inner-roots.ts';
import { KeptVersions } from '../../protocol/pull/replica/kept-versions.ts';
import { look, printOf } from '../../protocol/pull/replica/print.ts';
import { stageDirectory } from '../../protocol/pull/replica/stage-directory.ts';
import { listAll } from '../../protocol/store/list-all.ts';
import type { ObjectStat, ObjectStore } from '../../protocol/store/object-store.ts';
import type { PullEvent } from '../../protocol/wire/pull.ts';
import { CopyJournal } from './copy-journal.ts';
import { type CopyLedger, emptyLedger, readCopyLedger, writeCopyLedger } from './copy-ledger.ts';
import { CopyStage } from './copy-stage.ts';
import { fetchAll, type WantedObject } from './fetcher.ts';
import { type Conflict, Placer } from './placer.ts';
import { checkCopyDeletes } from './safety.ts';
import { Wanted } from './wanted.ts';

export interface CopyOptions {
  /** Destination as the task writes it; latin1. */
  readonly dest: string;
  readonly key: string;
  /** `copies/KEY` of the agent; made if missing. */
  readonly stateDir: string;
  readonly conflictsDir: string;
  readonly rules: DestinationRules;
  /** `roots/KEY` of the agent, where other roots look for where this one lies. */
  readonly rootDir: string;
  /** Where the node's other roots lie (absolute, latin1): what lies there is theirs. */
  readonly otherRoots: readonly string[];
  /** Key of one object, or what keys begin with, without a slash at its end; '' is the whole bucket. */
  readonly prefix: string;
  /** Whether nothing below the prefix is as good as something: of a bucket that was just made. */
  readonly mayBeEmpty: boolean;
  readonly allowDelete: boolean;
  /** Read what is there and compare, where the service gives MD5s. */
  readonly verify: boolean;
}

export interface CopyResult {
  readonly files: number;
  readonly bytes: number;
  readonly fetchedBytes: number;
  readonly placed: number;
  readonly removed: number;
  readonly conflicts: readonly Conflict[];
  /** Paths that other roots have. */
  readonly leftOut: readonly RootPath[];
  readonly problems: readonly Problem[];
}

/** Milliseconds between two reports of where it is. */
const reportMs = 100;

/**
 * Makes the destination what the bucket has. Runs on a thread of its own: its file work blocks. Being killed at any point
 * is how it is cancelled; `signal` only ends requests. Rejects with `object-missing`, `delete-refused`,
 * `mount-destination-refused`, `no-space`, and as `ObjectStore`.
 */
export async function copyRoot(
  store: ObjectStore,
  options: CopyOptions,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<CopyResult> {
  const { dest, key, stateDir, prefix } = options;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const root = resolveDestination(dest, options.rules);
  const ledgerPath = join(stateDir, 'ledger');
  const read = readCopyLedger(ledgerPath);
  const ledger = read ?? emptyLedger();
  const journal = new CopyJournal(join(stateDir, 'journal'));
  const recovered = journal.recover(root, ledger);
  const hadDirectories = ledger.directories.size;

  const report = reporter(onEvent);
  const wanted = await listWanted(store, prefix, report, signal);
  if (wanted.files.size + wanted.directories.size === 0 && wanted.problems.length === 0 && !options.mayBeEmpty)
    throw new TowError('object-missing', `the bucket has nothing at ${prefix === '' ? 'all' : prefix}`, {
      hint: 'correct the URI, or put something there first',
    });
  const leftOut = wanted.leaveOut(pathsInside(root, options.otherRoots));
  const plan = planCopy(root, wanted, ledger, options);
  checkCopyDeletes(dest, ledger, wanted.files.size, plan.removals.length, options.allowDelete);

  const totals = { files: plan.fetches.length, bytes: plan.fetches.reduce((sum, { object }) => sum + object.size, 0) };
  const isDirectory = !wanted.files.has('');
  claimRoot({
    root,
    dest,
    kind: isDirectory ? 'dir' : 'file',
    ours: ledger.files.size === 0 ? undefined : ledger.files.has('') ? 'file' : 'dir',
    inHome: root.startsWith(`${options.rules.home}/`),
    sudo: options.rules.reach === 'machine',
  });
  if (isDirectory) makeRoot(root);
  mkdirSync(options.rootDir, { recursive: true, mode: 0o700 });
  rememberRoot(options.rootDir, root);
  const stagePath = stageDirectory(Buffer.from(stateDir).toString('latin1'), root, key);
  const stage = new CopyStage(stagePath);
  const placer = new Placer({
    root,
    dest,
    ledger,
    journal,
    kept: new KeptVersions(options.conflictsDir),
    id: `copy-${randomBytes(6).toString('hex')}`,
  });
  const problems = [...wanted.problems];
  let bytes = 0;
  let files = 0;
  const reportFetch = (force = false): void =>
    report({ phase: 'fetch', files, totalFiles: totals.files, bytes, totalBytes: totals.bytes }, force);
  try {
    checkSpace(stagePath, totals.bytes, totals.files);
    for (const path of plan.removals) placer.remove(path);
    for (const path of wanted.directories) placer.directory(path);
    await fetchAll(
      store,
      stage,
      plan.fetches,
      {
        staged: ({ path, object }, where) => {
          files += 1;
          placer.add({ path, version: object.version, where });
          reportFetch();
        },
        directory: (path) => placer.directory(path),
        gone: (path) => wanted.files.delete(path),
        problem: (problem) => problems.push(problem),
        bytes: (count) => {
          bytes += count;
          reportFetch();
        },
      },
      signal,
    );
    placer.flush();
    placer.removeDirectories([...ledger.directories].filter((path) => path !== '' && !wanted.directories.has(path)));
    if (totals.files > 0) reportFetch(true);
    const changed = placer.placed + placer.removed + plan.adopted + recovered > 0;
    if (changed || read === undefined || ledger.directories.size !== hadDirectories) {
      syncStage(stagePath);
      writeCopyLedger(ledgerPath, ledger);
    }
    journal.remove();
    stage.empty();
  } catch (error) {
    throw explainDiskFull(error, stagePath);
  }
  return {
    files: wanted.files.size,
    bytes: [...wanted.files.values()].reduce((sum, { size }) => sum + size, 0),
    fetchedBytes: bytes,
    placed: placer.placed,
    removed: placer.removed,
    conflicts: placer.conflicts,
    leftOut,
    problems: [...problems, ...placer.problems],
  };
}

/** One object of exactly that key, or all below it. */
async function listWanted(
  store: ObjectStore,
  prefix: string,
  report: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<Wanted> {
  const exact = prefix === '' ? undefined : await store.head(prefix, signal);
  const below = prefix === '' ? '' : `${prefix}/`;
  const wanted = new Wanted(below);
  let bytes = 0;
  for await (const page of listAll(store, below, signal)) {
    for (const object of page) {
      wanted.add(object);
      bytes += object.size;
    }
    report({ phase: 'scan', files: wanted.files.size, totalFiles: 0, bytes, totalBytes: 0 });
  }
  wanted.settle();
  if (exact === undefined) return wanted;
  if (wanted.files.size + wanted.directories.size === 0) wanted.files.set('', exact);
  else if (exact.size > 0)
    wanted.problems.push({
      path: '',
      code: 'unsafe-key',
      message: 'the prefix itself is an object too: it is left out',
    });
  return wanted;
}

interface CopyPlan {
  readonly fetches: readonly WantedObject[];
  readonly removals: readonly RootPath[];
  /** Files that were there already and are the bucket's. */
  readonly adopted: number;
}

/** Compares what is wanted with what the ledger says and the disk has; takes over what is right already. */
function planCopy(root: string, wanted: Wanted, ledger: CopyLedger, { verify }: CopyOptions): CopyPlan {
  const fetches: WantedObject[] = [];
  let adopted = 0;
  for (const [path, object] of wanted.files) {
    const stats = look(absolutePath(root, path));
    const print = stats === undefined ? undefined : printOf(stats);
    const known = ledger.files.get(path);
    const asLeft = known !== undefined && known.print === print && known.version === object.version;
    if (asLeft && !verify) continue;
    const same = stats?.isFile() === true && Number(stats.size) === object.size ? hasMd5(root, path, object) : false;
    if (same === true && print !== undefined) {
      if (!asLeft) adopted += 1;
      ledger.files.set(path, { version: object.version, print });
    } else if (!asLeft || same === false) {
      fetches.push({ path, object });
    }
  }
  return { fetches, removals: [...ledger.files.keys()].filter((path) => !wanted.files.has(path)), adopted };
}

/** Whether a file has the object's MD5; undefined when the service gives none, or the file cannot be read. Blocking. */
function hasMd5(root: string, path: RootPath, { version }: ObjectStat): boolean | undefined {
  if (!/^[0-9a-f]{32}$/.test(version)) return undefined;
  try {
    return md5OfFile(absolutePath(root, path)) === version;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function md5OfFile(path: Buffer): string {
  const hash = createHash('md5');
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (let bytes = -1; bytes !== 0; ) {
      bytes = readSync(fd, buffer);
      hash.update(buffer.subarray(0, bytes));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

function makeRoot(root: string): void {
  const stats = look(Buffer.from(root, 'latin1'));
  if (stats === undefined) mkdirSync(Buffer.from(root, 'latin1'));
  else if (!stats.isDirectory())
    throw new TowError(
      'mount-destination-refused',
      `${displayPath(root)} is a file, and the bucket has a directory for it`,
      {
        hint: `remove or rename ${displayPath(root)} on the node`,
      },
    );
}

function reporter(onEvent: (event: PullEvent) => void): (event: PullEvent, force?: boolean) => void {
  let last = 0;
  return (event, force = false) => {
    const now = Date.now();
    if (!force && now - last < reportMs) return;
    last = now;
    onEvent(event);
  };
}
