/**
 * One pull of one root, as the worker thread that does its file work sees it: a fixed sequence of steps, each of them
 * blocking. The main thread (replica.ts) carries messages between the link and these steps.
 */

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import { type Problem, TowError } from '../../base/errors.ts';
import { absolutePath, displayPath, type RootPath } from '../../base/root-path.ts';
import { type Digest, digestOf } from '../../chunk/digest.ts';
import { type Manifest, manifestDigest, manifestTotals } from '../../chunk/manifest.ts';
import { ManifestDecoder } from '../../chunk/manifest-codec.ts';
import { limits } from '../../wire/limits.ts';
import { syncStage } from './barrier.ts';
import { type DestinationRules, resolveDestination, stageDirectory } from './destination.ts';
import { checkSpace, explainDiskFull } from './disk-full.ts';
import { type Journal, writeJournal } from './journal.ts';
import { KeptVersions } from './kept-versions.ts';
import { type Ledger, ledgerItem, ledgerManifest } from './ledger.ts';
import { applyRecord, type LedgerFile } from './ledger-file.ts';
import { nextRecord, settleRecord } from './next-ledger.ts';
import { type Observation, observe } from './observe.ts';
import type { Op } from './op.ts';
import { absentPaths, metaOp, type Plan, planPull } from './plan.ts';
import { look } from './print.ts';
import { finishSwitch, recoverRoot } from './recover.ts';
import { reuseChunks } from './reuse.ts';
import { checkDeletes } from './safety.ts';
import { Stage } from './stage.ts';
import { finishTree, stageLinks, stagePlan } from './stage-plan.ts';
import { applyMeta, type SwitchResult } from './switch.ts';
import { unpack } from './unpack.ts';
import type { Wants } from './wants.ts';

export interface SessionOptions {
  /** `roots/KEY` of the agent; made if missing. */
  readonly stateDir: string;
  readonly key: string;
  readonly conflictsDir: string;
  /** Destination as the task writes it; latin1. */
  readonly dest: string;
  readonly rules: DestinationRules;
  readonly source: string;
  readonly digest: Digest;
  readonly allowDelete: boolean;
  readonly verify: boolean;
}

export interface StagedTotals {
  /** Nothing to place, remove or set: the root is as it should be. */
  readonly settled: boolean;
  readonly files: number;
  readonly finishedFiles: number;
  readonly wantedBytes: number;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #kept: KeptVersions;
  readonly #root: string;
  readonly #file: LedgerFile;
  readonly #ledger: Ledger | undefined;
  readonly #problems: Problem[] = [];
  readonly #decoder = new ManifestDecoder(limits);
  #manifest: Manifest | undefined;
  #observation: Observation = new Map();
  #rehashed = 0;
  #absent: readonly RootPath[] = [];
  #plan: Plan | undefined;
  #stage: Stage | undefined;
  #wants: Wants | undefined;
  #journal: Journal | undefined;
  #reusedBytes = 0;
  #switched: SwitchResult | undefined;
  #digest: Digest;

  /** Recovers the root if its last switch was interrupted, and reads its ledger. */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.#digest = options.digest;
    mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
    this.#kept = new KeptVersions(options.conflictsDir);
    const { ledger, file, problem } = recoverRoot(options.stateDir, this.#kept);
    if (problem !== undefined) this.#problems.push(problem);
    this.#ledger = ledger;
    this.#file = file;
    this.#root = resolveDestination(options.dest, options.rules);
  }

  /** Whether the ledger already is the wanted manifest, so that none need be fetched. */
  get knowsManifest(): boolean {
    return this.#ledger?.digest === this.#options.digest;
  }

  manifestBlock(block: Buffer): void {
    this.#decoder.push(block);
  }

  /** Looks at the node's tree. Returns the ledger paths that the source lacks, to be asked about. */
  observe(): readonly RootPath[] {
    this.#manifest =
      this.knowsManifest && this.#ledger !== undefined ? ledgerManifest(this.#ledger) : this.#decoder.finish();
    if (manifestDigest(this.#manifest) !== this.#options.digest) {
      throw new TowError(
        'chunk-mismatch',
        `the manifest for ${displayPath(this.#options.dest)} is not the one that was announced`,
      );
    }
    if (this.#ledger !== undefined) {
      ({ observation: this.#observation, rehashed: this.#rehashed } = observe(
        this.#root,
        this.#ledger,
        this.#options.verify,
      ));
    }
    this.#absent = this.#ledger === undefined ? [] : absentPaths(this.#ledger, this.#manifest);
    return this.#absent;
  }

  /** Plans, and stages all that needs no fetching. `ignored` are indexes into what `observe` returned. */
  stage(ignored: readonly number[]): StagedTotals {
    const { manifest, options } = this.#known();
    const ignoredPaths = new Set(ignored.map((at) => this.#absent[at] ?? ''));
    const plan = planPull({
      root: this.#root,
      manifest,
      ledger: this.#ledger,
      observation: this.#observation,
      ignored: ignoredPaths,
    });
    if (!options.allowDelete) {
      const removed = plan.removals.flatMap((op) => (op.op === 'remove' ? [op.path] : []));
      checkDeletes(options.dest, this.#ledger, manifest, options.source, removed);
    }
    this.#plan = plan;
    const { placements, removals, directories, metas } = plan;
    const files = placements.length;
    if (files + removals.length + directories.length + metas.length === 0)
      return { settled: true, files: 0, finishedFiles: 0, wantedBytes: 0 };
    const appears = manifest.root.kind === 'dir' && look(absolutePath(this.#root, '')) === undefined;
    const stage = new Stage(
      stageDirectory(Buffer.from(options.stateDir).toString('latin1'), this.#root, options.key),
      appears,
    );
    this.#stage = stage;
    const { wants, finishedFiles } = this.#diskFull(() => stagePlan(stage, manifest, plan));
    this.#wants = wants;
    return { settled: false, files, finishedFiles, wantedBytes: wants.bytes };
  }

  /** Fills chunks from the root's own files; then says which must be fetched. */
  reuse(
    maxRuns: number,
    step: (bytes: number, finishedFiles: number) => void,
  ): { readonly ranges: readonly (readonly number[])[]; readonly bytes: number } {
    const wants = this.#wants;
    const stage = this.#stage;
    assert(wants !== undefined && stage !== undefined, 'reuse before stage');
    if (this.#ledger !== undefined) {
      const ledger = this.#ledger;
      this.#diskFull(() =>
        reuseChunks(this.#root, ledger, this.#observation, wants, (bytes, finished) => {
          this.#reusedBytes += bytes;
          step(bytes, finished);
        }),
      );
    }
    checkSpace(stage.directory, wants.bytes, 0);
    return { ranges: wants.ranges(maxRuns), bytes: wants.bytes };
  }

  /** Takes one pack: every chunk is checked against its digest before it is written anywhere. */
  pack(pack: Buffer): { readonly bytes: number; readonly finishedFiles: number } {
    const wants = this.#wants;
    assert(wants !== undefined, 'pack before stage');
    return this.#diskFull(() => unpack(pack, wants));
  }

  /** Makes the stage complete and durable and writes the journal. From here on the switch will happen. */
  prepare(): void {
    const { manifest, options } = this.#known();
    const { plan, stage } = this.#staged();
    this.#diskFull(() => {
      stageLinks(stage, this.#root, plan.placements);
      if (stage.appears) finishTree(stage, manifest);
      syncStage(stage.directory);
      this.#journal = {
        id: `${Date.now().toString(36)}${randomBytes(4).toString('hex')}`,
        root: this.#root,
        dest: options.dest,
        stage: stage.directory,
        ops: this.#ops(stage, plan, manifest),
        record: nextRecord(this.#ledger, manifest, options.source, this.#keptPrints(plan)),
      };
      writeJournal(options.stateDir, this.#journal);
    });
  }

  /** The short pass in which the root changes; then barrier, ledger, and the journal is gone. */
  switch(): void {
    const journal = this.#journal;
    assert(journal !== undefined, 'switch before prepare');
    const { after, result } = this.#diskFull(() =>
      finishSwitch(this.#options.stateDir, journal, this.#ledger, this.#file, this.#kept),
    );
    this.#switched = result;
    this.#digest = after.digest;
    this.#problems.push(...result.problems);
  }

  /** For a root that was settled: puts drifted metadata back and remembers the new prints. */
  settle(): void {
    const { manifest, options, plan } = this.#known();
    assert(plan !== undefined, 'settle before stage');
    for (const op of plan.restores) applyMeta(this.#root, op);
    const fresh = [...this.#observation].some(([, seen]) => seen.state === 'touched');
    const sameAsBefore =
      this.#ledger !== undefined && this.#ledger.digest === options.digest && this.#ledger.source === options.source;
    if (sameAsBefore && !fresh && this.#rehashed === 0) return;
    const record = settleRecord(
      this.#root,
      this.#ledger,
      nextRecord(this.#ledger, manifest, options.source, plan.prints),
      { unproven: new Set(), failed: new Set() },
    );
    const after = applyRecord(this.#ledger, record);
    this.#file.append(record, after);
    this.#digest = after.digest;
  }

  /** Empties the stage and says what came of it all. */
  finish() {
    this.#stage?.empty();
    const { manifest, plan } = this.#known();
    const totals = manifestTotals(manifest);
    return {
      digest: this.#digest,
      files: totals.files,
      bytes: totals.bytes,
      reusedBytes: this.#reusedBytes,
      placed: plan?.placements.length ?? 0,
      removed: plan?.removals.length ?? 0,
      conflicts: this.#switched?.conflicts ?? [],
      problems: this.#problems,
    };
  }

  /** Lets go of open files; what is staged stays for the next pull. */
  abandon(): void {
    this.#wants?.close();
  }

  #known(): { manifest: Manifest; options: SessionOptions; plan: Plan | undefined } {
    assert(this.#manifest !== undefined, 'no manifest yet');
    return { manifest: this.#manifest, options: this.#options, plan: this.#plan };
  }

  #staged(): { plan: Plan; stage: Stage } {
    assert(
      this.#plan !== undefined && this.#stage !== undefined && this.#wants?.count === 0,
      'the stage is not complete',
    );
    return { plan: this.#plan, stage: this.#stage };
  }

  #ops(stage: Stage, plan: Plan, manifest: Manifest): readonly Op[] {
    if (stage.appears) return [{ op: 'appear' }, ...plan.metas.filter(({ path }) => path === '')];
    const places = plan.placements.map(
      ({ path, entry, expect }): Op => ({ op: 'place', path, staged: stage.name(path, entry), expect }),
    );
    assert(manifest.root.kind !== 'unknown', 'an unknown root has no plan');
    // The stage's trial rename touched the root directory.
    return [
      ...plan.removals,
      ...plan.directories,
      ...places,
      ...plan.metas,
      ...plan.restores,
      metaOp('', manifest.root),
    ];
  }

  /** Prints that will hold after the switch: not those of files whose inode gets another name. */
  #keptPrints(plan: Plan): ReadonlyMap<RootPath, string> {
    const linked = new Set(
      plan.placements.filter(({ entry }) => entry.kind === 'hardlink').map(({ entry }) => entry.content),
    );
    if (linked.size === 0) return plan.prints;
    const prints = new Map(plan.prints);
    const manifest = this.#manifest;
    for (const path of plan.prints.keys()) {
      const entry =
        this.#ledger === undefined || manifest === undefined ? undefined : ledgerItem(this.#ledger, path)?.entry;
      if (linked.has(path) || (entry?.kind === 'hardlink' && linked.has(entry.content))) prints.delete(path);
    }
    return prints;
  }

  #diskFull<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explainDiskFull(error, this.#stage?.directory ?? this.#options.stateDir);
    }
  }
}

export function rootKey(dest: string): string {
  return Buffer.from(digestOf(dest), 'latin1').toString('hex').slice(0, 16);
}
