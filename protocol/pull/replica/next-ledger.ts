/** What the ledger will say after a switch, and the record that says it. */
import { isWithin, joinPath, type RootPath } from '../../base/root-path.ts';
import type { Entry } from '../../chunk/entry.ts';
import {
  type Directory,
  directoryDigest,
  type Manifest,
  manifestDigest,
  noteSummary,
  summaryOf,
} from '../../chunk/manifest.ts';
import { type Ledger, type LedgerDirectory, ledgerItem, ledgerManifest } from './ledger.ts';
import type { LedgerRecord } from './ledger-codec.ts';
import { applyRecord } from './ledger-file.ts';
import { unknownPaths } from './plan.ts';
import { noPrint, type Print, printAt, printHasMtime, printInode, printKind, printMode, printSize } from './print.ts';

/**
 * The record that leads from `before` to `manifest`, which differ in the directories of `scope` only. `prints` are those known; others are left empty. What the source
 * could not read stays in the ledger as it was, so that it still counts as ours.
 */
export function nextRecord(
  before: Ledger | undefined,
  manifest: Manifest,
  source: string,
  prints: ReadonlyMap<RootPath, Print>,
  scope: ReadonlySet<RootPath> | undefined,
): LedgerRecord {
  const whole = scope === undefined ? carryUnknown(before, manifest) : manifest;
  const replaced: LedgerDirectory[] = [];
  for (const path of scope ?? whole.directories.keys()) {
    const directory = whole.directories.get(path);
    if (directory === undefined) continue;
    const old = before?.directories.get(directory.path);
    const next: LedgerDirectory = {
      path: directory.path,
      entries: directory.entries,
      prints: directory.entries.map((entry) =>
        entry.kind === 'dir' ? noPrint : (prints.get(joinPath(directory.path, entry.name)) ?? noPrint),
      ),
    };
    noteSummary(next, summaryOf(directory));
    if (old === undefined || !sameDirectory(old, directory, next.prints)) replaced.push(next);
  }
  const had = scope ?? before?.directories.keys() ?? [];
  const dropped = [...had].filter((path) => before?.directories.has(path) === true && !whole.directories.has(path));
  return {
    source,
    digest: manifestDigest(whole),
    root: whole.root,
    rootPrint: prints.get('') ?? noPrint,
    settledNs: before?.settledNs ?? 0n,
    dropped,
    replaced,
  };
}

/** Asks the manifest's own directory, whose digest is known. */
function sameDirectory(before: LedgerDirectory, now: Directory, prints: readonly Print[]): boolean {
  return directoryDigest(before) === directoryDigest(now) && before.prints.every((print, at) => print === prints[at]);
}

function carryUnknown(before: Ledger | undefined, manifest: Manifest): Manifest {
  const unknown = unknownPaths(manifest);
  if (unknown.size === 0) return manifest;
  const directories = new Map(manifest.directories);
  for (const directory of manifest.directories.values()) {
    if (!directory.entries.some((entry) => entry.kind === 'unknown')) continue;
    const entries = directory.entries.flatMap((entry) => {
      if (entry.kind !== 'unknown') return [entry];
      const path = joinPath(directory.path, entry.name);
      const ours = before === undefined ? undefined : ledgerItem(before, path)?.entry;
      if (ours === undefined) return [];
      for (const [below, held] of before?.directories ?? [])
        if (below === path || below.startsWith(`${path}/`)) directories.set(below, held);
      return [ours];
    });
    directories.set(directory.path, { path: directory.path, entries });
  }
  return { root: manifest.root.kind === 'unknown' ? (before?.root ?? manifest.root) : manifest.root, directories };
}

export interface Settle {
  /** Paths whose contents, with all that is below them, an earlier, interrupted run put in place. */
  readonly unproven: ReadonlySet<RootPath>;
  /** Paths of which something failed: not ours. */
  readonly failed: ReadonlySet<RootPath>;
  /** Of these: what could not be put in place, so that nothing below them is ours either. */
  readonly unplaced: ReadonlySet<RootPath>;
  /** Paths that were hashed, and given their mode and time, just now: whatever the file system keeps of those, they are ours. */
  readonly restored: ReadonlySet<RootPath>;
  /** Whether prints taken now can be trusted at once (exact-times.ts). */
  readonly exact: boolean;
}

/**
 * Fills the prints that a switch made, by looking at each path, and drops what is not there as the entry says. What was
 * written to since then is left without one: it is looked through by the next pull. Unless times are exact, prints
 * younger than `settledNs` (two ticks of the coarsest kernel clock before now) will be hashed once more. Blocking.
 */
export function settleRecord(
  root: string,
  before: Ledger | undefined,
  record: LedgerRecord,
  { unproven, failed, unplaced, restored, exact }: Settle,
): LedgerRecord {
  let droppedSome = false;
  const settle = (path: RootPath, entry: Entry, print: Print): Print | undefined => {
    if (failed.has(path) || isWithin(path, unplaced)) return undefined;
    if (print !== noPrint || entry.kind === 'unknown') return print;
    const now = printAt(path === '' ? root : `${root}/${path}`);
    if (now === undefined || printKind(now) !== (entry.kind === 'hardlink' ? 'file' : entry.kind)) return undefined;
    if (entry.kind === 'dir' || isWithin(path, unproven)) return noPrint;
    if (entry.kind === 'hardlink') return isLinkTo(root, entry.content, now) ? now : noPrint;
    return restored.has(path) || isAsPlaced(now, entry) ? now : noPrint;
  };
  const replaced = record.replaced.map((directory) => {
    const entries: Entry[] = [];
    const prints: Print[] = [];
    directory.entries.forEach((entry, at) => {
      const print = settle(joinPath(directory.path, entry.name), entry, directory.prints[at] ?? noPrint);
      if (print === undefined) {
        droppedSome = true;
        return;
      }
      entries.push(entry);
      prints.push(print);
    });
    if (entries.length < directory.entries.length) return { path: directory.path, entries, prints };
    const settled = { path: directory.path, entries: directory.entries, prints };
    noteSummary(settled, summaryOf(directory));
    return settled;
  });
  const rootPrint = record.root.kind === 'dir' ? noPrint : (settle('', record.root, record.rootPrint) ?? noPrint);
  const settled: LedgerRecord = { ...record, replaced, rootPrint, settledNs: settledNow(exact) };
  return droppedSome ? { ...settled, digest: manifestDigest(ledgerManifest(applyRecord(before, settled))) } : settled;
}

/** Whether nobody has touched it since it was put in place, with this size, mode and time: a switch may take long. */
function isAsPlaced(print: Print, { kind, size, mode, mtimeSec, mtimeNsec }: Entry): boolean {
  if (kind === 'file' && (printSize(print) !== size || (printMode(print) & 0o7777) !== mode)) return false;
  return printHasMtime(print, mtimeSec, mtimeNsec);
}

function isLinkTo(root: string, path: RootPath, print: Print): boolean {
  const target = printAt(`${root}/${path}`);
  return target !== undefined && printInode(target) === printInode(print);
}

/** From this many bytes on, hashing once more takes longer than waiting. */
const waitFromBytes = 32 << 20;

/** Waits until prints taken now are old enough to be trusted, if they are of that much. Blocking. */
export function outlastClock(record: LedgerRecord): void {
  let bytes = record.rootPrint === noPrint ? record.root.size : 0;
  for (const { entries, prints } of record.replaced) {
    for (const [at, { size }] of entries.entries()) if (prints[at] === noPrint) bytes += size;
  }
  if (bytes >= waitFromBytes) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, clockGrainMs);
}

/** The kernel stamps times with its tick: 10 ms at HZ=100, the coarsest in use. Two of them. */
const clockGrainMs = 20;

/** `Ledger.settledNs` for prints taken before now. */
function settledNow(exact: boolean): bigint {
  // The next millisecond: what is of this one is older than that.
  return BigInt(Date.now() + (exact ? 1 : -clockGrainMs)) * 1_000_000n;
}
