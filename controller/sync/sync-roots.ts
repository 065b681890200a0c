/**
 * Makes roots on nodes equal to their sources: one snapshot a root, pulled by all nodes at once. A source that changes
 * meanwhile is scanned again; a lost link is waited for and the pull resumed.
 */
import { hostname } from 'node:os';
import { raceSignal, throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { displayPath } from '../../protocol/base/root-path.ts';
import { TaskGroup } from '../../protocol/base/task-group.ts';
import type { Digest } from '../../protocol/chunk/digest.ts';
import { Advance } from '../../protocol/pull/source/advance.ts';
import { EarlyRanges } from '../../protocol/pull/source/early-ranges.ts';
import type { Snapshot, SnapshotOptions } from '../../protocol/pull/source/snapshot.ts';
import { limits } from '../../protocol/wire/limits.ts';
import type { PullResult } from '../../protocol/wire/pull.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { SyncSummary } from '../api/event.ts';
import { copyToNodes } from './copy-to-nodes.ts';
import { ForeseenPacks } from './foreseen-packs.ts';
import { measured } from './measured.ts';
import { partialSource } from './partial-source.ts';
import { publishRoot, reportVia } from './publish-root.ts';
import { onNode, problemsShown, reportNode } from './report-node.ts';
import { sendInAdvance } from './send-in-advance.ts';
import {
  maxResumes,
  type Scanning,
  type SourceRoot,
  type SyncNode,
  type SyncOptions,
  type SyncRoot,
} from './sync-root.ts';
import { tellEarly } from './tell-early.ts';

type ScanOptions = Pick<SyncOptions, 'verify' | 'allowPartial' | 'emit'>;

/** Scans of one root before giving up on a source that never stands still. */
const maxScans = 5;
/** Chunk bytes that are sent to each node although they are published. */
const viaPushBytes = 32 << 10;

/**
 * Syncs all roots to all nodes, in parallel but for those that lie in another one. Rejects with `partial-source` when something cannot be read (unless
 * `allowPartial`), with the first node's error otherwise; other nodes are then cancelled and left as they were, or whole.
 */
export async function syncRoots(
  nodes: readonly SyncNode[],
  roots: readonly SyncRoot[],
  options: SyncOptions,
  signal: AbortSignal,
): Promise<SyncSummary> {
  const started = performance.now();
  let fetchedBytes = 0;
  let headBytes = 0;
  const totals = { files: 0, logicalBytes: 0, sentBytes: 0, conflicts: 0, problems: 0 };
  // A bucket may be filled by one root and copied by another.
  let areFilled = (): void => undefined;
  const filled = new Promise<void>((resolve) => {
    areFilled = resolve;
  });
  const levels = [...new Set(roots.map((root) => root.level))].sort((a, b) => a - b);
  for (const level of levels) {
    const group = new TaskGroup(signal);
    if (level === levels[0])
      group.run(async (inner) => {
        await fillBuckets(roots, options, inner);
        areFilled();
      });
    for (const root of roots) if (root.level === level) group.run((inner) => syncOne(root, inner));
    await group.wait();
  }
  await options.via?.mend();
  return {
    roots: roots.length,
    nodes: nodes.length,
    ...totals,
    ...(roots.some(({ type }) => type === 'bucket') || options.via !== undefined
      ? { fetchedBytes: fetchedBytes + (options.via?.fetchedBytes ?? 0) }
      : {}),
    ...(headBytes === 0 ? {} : { headBytes }),
    ...(options.via === undefined ? {} : { publishedBytes: options.via.publishedBytes }),
    seconds: (performance.now() - started) / 1000,
  };

  async function syncOne(root: SyncRoot, inner: AbortSignal): Promise<void> {
    if (root.type === 'bucket') {
      await raceSignal(filled, inner);
      const copied = await copyToNodes(nodes, root, options, inner);
      totals.files += copied.files;
      totals.logicalBytes += copied.bytes;
      fetchedBytes += copied.fetchedBytes;
      headBytes += copied.headBytes;
      totals.conflicts += copied.conflicts;
      totals.problems += copied.problems;
      return;
    }
    const { snapshot, results } = await syncRoot(nodes, root, options, inner);
    totals.files += snapshot.totals.files;
    totals.logicalBytes += snapshot.totals.bytes;
    totals.problems += snapshot.problems.length;
    for (const result of results) {
      totals.sentBytes += result.sentBytes;
      totals.conflicts += result.conflictCount;
      totals.problems += result.problemCount;
    }
  }
}

/** Sees to it that the buckets are there and have what is uploaded to them. */
async function fillBuckets(roots: readonly SyncRoot[], options: SyncOptions, signal: AbortSignal): Promise<void> {
  const group = new TaskGroup(signal);
  for (const root of roots)
    if (root.type === 'bucket')
      group.run(async (inner) => await root.prepare?.({ ...options, root: root.name }, inner));
  await group.wait();
}

async function syncRoot(
  nodes: readonly SyncNode[],
  root: SourceRoot,
  options: SyncOptions,
  signal: AbortSignal,
): Promise<{ snapshot: Snapshot; results: PullResult[] }> {
  const results = new Map<string, PullResult>();
  for (let scan = 1; ; scan += 1) {
    const ahead = (scan === 1 ? options.ahead?.get(root) : undefined) ?? beginScan(root, options, signal);
    await using _ = sendInAdvance(nodes, root, ahead.advance, options, signal);
    await using __ = tellEarly(nodes, root, ahead.early, options, signal);
    const snapshot = await ahead.snapshot;
    // The pulls may be asked for while what is under way to a node is still coming: it sees to the order.
    ahead.advance.end();
    const moved = await pullOnNodes(nodes, root, snapshot, options, results, signal);
    if (moved === undefined) {
      for (const node of nodes) {
        const result = results.get(node.name);
        reportNode(node, root, result, options);
        reportVia(node, root, snapshot, result, options);
      }
      return { snapshot, results: [...results.values()] };
    }
    if (scan === maxScans) {
      throw new TowError(
        'source-unstable',
        `${displayPath(root.from)} keeps changing: ${maxScans} scans were out of date before the nodes had them`,
        {
          cause: moved,
          hint: 'ignore the file that keeps changing (.gitignore), or wait until it is written',
        },
      );
    }
  }
}

/** Fills `results`. Resolves with an error when the source has changed meanwhile. */
async function pullOnNodes(
  nodes: readonly SyncNode[],
  root: SourceRoot,
  snapshot: Snapshot,
  options: SyncOptions,
  results: Map<string, PullResult>,
  signal: AbortSignal,
): Promise<TowError | undefined> {
  let moved: TowError | undefined;
  const unlessMoved = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof TowError) || error.code !== 'source-changed') throw error;
      moved = error;
    }
  };
  let catalogue: Digest | undefined;
  await unlessMoved(async () => void (catalogue = await publishRoot(root, snapshot, options, signal)));
  if (moved !== undefined) return moved;
  const group = new TaskGroup(signal);
  for (const node of nodes)
    group.run(async (inner) =>
      unlessMoved(
        async () => void results.set(node.name, await pullOnNode(node, root, snapshot, catalogue, options, inner)),
      ),
    );
  await group.wait();
  return moved;
}

/**
 * Begins to scan the roots that are synced first, for `SyncOptions.ahead`: what a command does while it still waits for its
 * nodes. Abort `signal` when they are not wanted any more.
 */
export function lookAhead(
  roots: readonly SyncRoot[],
  options: ScanOptions,
  signal: AbortSignal,
): ReadonlyMap<SourceRoot, Scanning> {
  const first = Math.min(...roots.map(({ level }) => level));
  const ahead = new Map<SourceRoot, Scanning>();
  for (const root of roots)
    if (root.level === first && root.type === 'source') ahead.set(root, beginScan(root, options, signal));
  return ahead;
}

function beginScan(root: SourceRoot, options: ScanOptions, signal: AbortSignal): Scanning {
  const advance = new Advance();
  const early = new EarlyRanges();
  const snapshot = takeSnapshot(root, options, signal, { advance, early });
  // Told to whoever waits for it.
  snapshot.catch(() => undefined);
  return { snapshot, advance, early };
}

/** Scans the source; warnings and problems go to the user, problems end the sync unless they are allowed. */
export async function takeSnapshot(
  root: SourceRoot,
  options: ScanOptions,
  signal: AbortSignal,
  meanwhile: Pick<SnapshotOptions, 'advance' | 'early'> = {},
): Promise<Snapshot> {
  let reported = 0;
  const onProgress = (files: number, bytes: number): void => {
    const now = Date.now();
    if (now - reported < 100) return;
    reported = now;
    options.emit({
      type: 'progress',
      node: '',
      root: root.name,
      phase: 'scan',
      files,
      totalFiles: 0,
      bytes,
      totalBytes: 0,
    });
  };
  const snapshot = await root.source.snapshot({ verify: options.verify, onProgress, ...meanwhile }, signal);
  for (const warning of snapshot.warnings) options.emit({ type: 'note', level: 'warning', text: warning });
  if (snapshot.skipped > 0) {
    options.emit({
      type: 'note',
      level: 'warning',
      text: `${displayPath(root.from)}: ${snapshot.skipped} sockets, pipes or devices are not sent`,
    });
  }
  if (snapshot.problems.length === 0) return snapshot;
  if (!options.allowPartial) throw partialSource(root.from, snapshot.problems);
  for (const problem of snapshot.problems.slice(0, problemsShown)) {
    options.emit({
      type: 'note',
      level: 'warning',
      text: `not sent: ${displayPath(problem.path)}: ${problem.message}`,
    });
  }
  return snapshot;
}

async function pullOnNode(
  node: SyncNode,
  root: SourceRoot,
  snapshot: Snapshot,
  catalogue: Digest | undefined,
  options: SyncOptions,
  signal: AbortSignal,
): Promise<PullResult> {
  const { via } = options;
  // What is published goes along only where that spares a node the asking.
  // Of a link that was made anew, after one that broke while files went ahead, that is not known yet.
  await measured(await node.link(signal), signal);
  const how = node.serve();
  const serve = via === undefined ? how : { ...how, pushBytes: viaPushBytes };
  const held = options.held.get(node.keyId, root.dest);
  const delta =
    held === undefined || held.digest === snapshot.digest
      ? undefined
      : await snapshot.deltaFrom(held.manifest, limits.callPayloadBytes, serve, signal);
  options.held.delete(node.keyId, root.dest);
  await using foreseen = delta?.sendForeseen === undefined ? undefined : new ForeseenPacks(delta.sendForeseen, signal);
  const withdraw = options.offers.offer(node.keyId, snapshot, serve, foreseen);
  const offered = via === undefined ? undefined : options.buckets.offer(node.keyId, () => via.nodeAccess());
  try {
    for (let resumes = 0; ; resumes += 1) {
      throwIfAborted(signal);
      const link = await node.link(signal);
      try {
        const result = await link.call(
          'pull.run',
          {
            dest: wireBytes(root.dest),
            others: root.others.map((dest) => wireBytes(dest)),
            source: root.guardSource ? `${hostname()}:${displayPath(root.from)}` : '',
            snapshot: snapshot.id,
            digest: wireBytes(snapshot.digest),
            allowDelete: options.allowDelete,
            allowPartial: options.allowPartial,
            verify: options.verify,
            foreseen: foreseen !== undefined && resumes === 0,
            objects: via === undefined && (delta?.objects ?? snapshot.hasObjectsFor(how)),
            ...(held === undefined || delta === undefined ? {} : { base: wireBytes(held.digest) }),
            ...(delta?.ignored === undefined ? {} : { ignored: delta.ignored.map((path) => wireBytes(path)) }),
            ...(via === undefined || offered === undefined || catalogue === undefined
              ? {}
              : { via: { offer: offered.id, prefix: via.prefix, catalogue: wireBytes(catalogue) } }),
          },
          {
            onEvent: (event) => options.emit({ type: 'progress', node: node.name, root: root.name, ...event }),
            ...(delta === undefined ? {} : { payload: delta.bytes }),
          },
          signal,
        );
        if (result.digest === snapshot.digest) options.held.set(node.keyId, root.dest, snapshot);
        return result;
      } catch (error) {
        const lost = error instanceof TowError && error.code === 'link-lost';
        if (!lost || resumes === maxResumes || signal.aborted) throw onNode(node, root, error);
        options.emit({ type: 'note', level: 'warning', text: `${node.name}: the link was lost, resuming` });
      }
    }
  } finally {
    offered?.withdraw();
    withdraw();
  }
}
