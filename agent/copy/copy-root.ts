/** One COPY of a bucket's prefix, or of one object, to this node: docs/decisions/0005-bucket-copies.md has its steps and why they are safe. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
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
import { atSource, type CopyLedger, emptyLedger, readCopyLedger, writeCopyLedger } from './copy-ledger.ts';
import { CopyStage } from './copy-stage.ts';
import { type CopyStores, fetchAll, type WantedObject } from './fetcher.ts';
import { isMd5, md5OfFile } from './md5.ts';
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
  /** Names the service, the bucket and the prefix: versions are of it alone. */
  readonly source: string;
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
  stores: CopyStores,
  options: CopyOptions,
  onEvent: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<CopyResult> {
  const { dest, key, stateDir, prefix, source } = options;
  const { bucket } = stores;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const root = resolveDestination(dest, options.rules);
  const ledgerPath = join(stateDir, 'ledger');
  const read = readCopyLedger(ledgerPath);
  const ledger = atSource(read ?? emptyLedger(source), source);
  const journal = new CopyJournal(join(stateDir, 'journal'));
  const recovered = journal.recover(root, ledger);
  const problems: Problem[] = [];
  if (read === undefined) problems.push(damaged('ledger', 'what was copied here', 'files here count'));
  if (recovered === 'damaged')
    problems.push(damaged('journal', 'a copy that broke off', 'files that it placed may count'));

  const report = reporter(onEvent);
  const wanted = await listWanted(bucket, prefix, report, signal);
  const { files, directories } = wanted;
  if (files.size + directories.size === 0 && !wanted.marked && wanted.problems.length === 0 && !options.mayBeEmpty)
    throw new TowError('object-missing', `the bucket has nothing at ${prefix === '' ? 'all' : prefix}`, {
      hint: 'correct the URI, or put something there first',
    });
  const leftOut = wanted.leaveOut(pathsInside(root, options.otherRoots));
  const removals = [...ledger.files.keys()].filter((path) => !files.has(path));
  checkCopyDeletes(dest, ledger, files.size, removals.length, options.allowDelete);

  claimRoot({
    root,
    dest,
    kind: files.has('') ? 'file' : 'dir',
    ours: ledger.files.size === 0 ? undefined : ledger.files.has('') ? 'file' : 'dir',
    inHome: root.startsWith(`${options.rules.home}/`),
    sudo: options.rules.reach === 'machine',
  });
  mkdirSync(options.rootDir, { recursive: true, mode: 0o700 });
  rememberRoot(options.rootDir, root);
  const kept = new KeptVersions(options.conflictsDir);
  const id = `copy-${key.slice(0, 12)}-`;
  if (recovered !== 'none') kept.takeBackAll(id);
  const placer = new Placer({ root, dest, ledger, journal, kept, id: `${id}${randomBytes(6).toString('hex')}` });
  for (const path of removals) placer.remove(path);
  const unwanted = (path: RootPath): boolean => path !== '' && !directories.has(path) && !files.has(path);
  placer.removeDirectories([...ledger.directories.keys()].filter(unwanted));
  if (!files.has('')) {
    refuseFile(root);
    placer.directories(['']);
  }
  const stagePath = stageDirectory(Buffer.from(stateDir).toString('latin1'), root, key);
  try {
    // Before anything is compared: what lies behind a symlink that takes a directory's place is not in this root.
    placer.directories(directories);
    const { fetches, adopted, asLeft } = planCopy(root, wanted, ledger, bucket.traits.versionIsMd5, options);
    const totals = {
      totalFiles: fetches.length,
      totalBytes: fetches.reduce((sum, { object }) => sum + object.size, 0),
    };
    const stage = new CopyStage(stagePath, source);
    checkSpace(stagePath, totals.totalBytes - stage.takeUp(fetches), fetches.length);
    const done = { files: 0, bytes: 0, fetchedBytes: 0 };
    const reportFetch = (force = false): void =>
      report({ phase: 'fetch', files: done.files, bytes: done.bytes, ...totals }, force);
    await fetchAll(
      stores,
      stage,
      fetches,
      asLeft,
      {
        staged: ({ path, object }, where) => {
          done.files += 1;
          placer.add({ path, version: object.version, where });
          reportFetch();
        },
        directory: ({ path, object }) => {
          wanted.isDirectory(path);
          placer.directory(path, object.version);
        },
        gone: (path) => files.delete(path),
        problem: (problem) => problems.push(problem),
        bytes: (count) => {
          done.bytes += count;
          done.fetchedBytes += count;
          reportFetch();
        },
        held: (count) => {
          done.bytes += count;
        },
      },
      signal,
    );
    placer.flush();
    if (fetches.length > 0) reportFetch(true);
    if (placer.changed || recovered !== 'none' || adopted > 0 || read?.source !== source) {
      syncStage(stagePath);
      writeCopyLedger(ledgerPath, ledger);
    }
    journal.remove();
    stage.empty();
    return {
      files: files.size,
      bytes: [...files.values()].reduce((sum, { size }) => sum + size, 0),
      fetchedBytes: done.fetchedBytes,
      placed: placer.placed,
      removed: placer.removed,
      conflicts: placer.conflicts,
      leftOut,
      problems: [...problems, ...wanted.problems, ...placer.problems],
    };
  } catch (error) {
    throw explainDiskFull(error, stagePath);
  }
}

/** One object of exactly that key, or all below it. */
async function listWanted(
  store: ObjectStore,
  prefix: string,
  report: (event: PullEvent) => void,
  signal: AbortSignal,
): Promise<Wanted> {
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
  // After the listing: a refusal of that says why, and one of a HEAD has no words.
  const exact = prefix === '' ? undefined : await store.head(prefix, signal);
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
  /** Files that were there already and are the bucket's. */
  readonly adopted: number;
  /** One of those that an earlier run fetched and that are as it left them. */
  readonly asLeft: ObjectStat | undefined;
}

/** Compares what is wanted with what the ledger says and the disk has; takes over what is right already. */
function planCopy(
  root: string,
  wanted: Wanted,
  ledger: CopyLedger,
  versionIsMd5: boolean,
  { verify }: CopyOptions,
): CopyPlan {
  const fetches: WantedObject[] = [];
  let adopted = 0;
  let oneAsLeft: ObjectStat | undefined;
  for (const [path, object] of wanted.files) {
    const stats = look(absolutePath(root, path));
    if (stats?.isDirectory() === true && ledger.directories.get(path) === object.version) {
      wanted.isDirectory(path);
      continue;
    }
    const print = stats === undefined ? undefined : printOf(stats);
    const known = ledger.files.get(path);
    const asLeft = known !== undefined && known.print === print && known.version === object.version;
    if (asLeft) oneAsLeft ??= object;
    if (asLeft && !verify) continue;
    const mayBe = versionIsMd5 && stats?.isFile() === true && Number(stats.size) === object.size;
    const same = mayBe ? hasMd5(root, path, object) : undefined;
    if (same === true && print !== undefined) {
      if (!asLeft) adopted += 1;
      ledger.files.set(path, { version: object.version, print });
    } else if (!asLeft || same === false) {
      fetches.push({ path, object });
    }
  }
  return { fetches, adopted, asLeft: oneAsLeft };
}

/** Whether a file has the object's MD5; undefined when the service gives none, or the file cannot be read. Blocking. */
function hasMd5(root: string, path: RootPath, { version }: ObjectStat): boolean | undefined {
  if (!isMd5(version)) return undefined;
  try {
    return md5OfFile(absolutePath(root, path)) === version;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/** A file that is not ours stays where a directory is to be: it is the mount itself that somebody meant. */
function refuseFile(root: string): void {
  const stats = look(Buffer.from(root, 'latin1'));
  if (stats === undefined || stats.isDirectory()) return;
  throw new TowError(
    'mount-destination-refused',
    `${displayPath(root)} is a file, and the bucket has a directory for it`,
    { hint: `remove or rename ${displayPath(root)} on the node` },
  );
}

/** What is not known for ours is never removed, and kept where an object takes its place. */
function damaged(what: 'ledger' | 'journal', record: string, files: string): Problem {
  const message = `the record of ${record} was damaged: ${files} as the node's own, none was removed`;
  return { path: '', code: `${what}-damaged`, message };
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
