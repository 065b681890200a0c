/**
 * One pull of one root, as the worker thread that does its file work sees it: a fixed sequence of steps, each of them
 * blocking. The main thread (replica.ts) carries messages between the link and these steps.
 */

import { randomBytes } from 'node:crypto';
import { close, mkdirSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import { collectGarbage } from '../../base/collect-garbage.ts';
import { type Problem, TowError } from '../../base/errors.ts';
import { absolutePath, displayPath, isWithin, parentOf, type RootPath } from '../../base/root-path.ts';
import { type DecodedDelta, decodeDelta } from '../../chunk/delta-codec.ts';
import type { Digest } from '../../chunk/digest.ts';
import type { EntryKind } from '../../chunk/entry.ts';
import { isPlain, type Manifest, manifestDigest, manifestTotals } from '../../chunk/manifest.ts';
import { ManifestDecoder } from '../../chunk/manifest-codec.ts';
import { applyDelta } from '../../chunk/manifest-delta.ts';
import { limits } from '../../wire/limits.ts';
import { applyMeta } from './apply-meta.ts';
import { syncStage } from './barrier.ts';
import { beginLarge, type Large, type Patches } from './begin-large.ts';
import { ChunkSupply, type Left } from './chunk-supply.ts';
import { claimRoot } from './claim-root.ts';
import { absoluteDestination, resolveDestination } from './destination.ts';
import { checkSpace, explainDiskFull } from './disk-full.ts';
import type { EarlyCopies } from './early-copies.ts';
import type { FilesInAdvance } from './files-in-advance.ts';
import { pathsInside, rememberRoot, type Trimmed, trim } from './inner-roots.ts';
import { hasJournal, type Journal, writeJournal } from './journal.ts';
import { keptPrints } from './kept-prints.ts';
import { KeptVersions } from './kept-versions.ts';
import { type Ledger, ledgerManifest } from './ledger.ts';
import { applyRecord, type LedgerFile } from './ledger-file.ts';
import { newDirectories } from './new-directories.ts';
import { nextRecord, settleRecord } from './next-ledger.ts';
import { type Observation, observe } from './observe.ts';
import { opsOf } from './ops-of.ts';
import { absentPaths, type Plan, planPull } from './plan.ts';
import { look } from './print.ts';
import { finishSwitch, recoverRoot } from './recover.ts';
import { reuseChunks } from './reuse.ts';
import { checkDeletes } from './safety.ts';
import type { Remembered, SessionOptions, StagedTotals } from './session-options.ts';
import { Stage } from './stage.ts';
import { discardEarly, discardStages, stageDirectory } from './stage-directory.ts';
import { finishTrees, stageLinks, stagePlan } from './stage-plan.ts';
import type { SwitchResult } from './switch-result.ts';
import { filesIn } from './tree-moves.ts';
import { takePushed } from './unpack.ts';
import type { Wants } from './wants.ts';

/** With more files to place, what a pull leaves behind is freed before the journal and the ledger are written. */
const manyFiles = 20_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #kept: KeptVersions;
  readonly #root: string;
  readonly #file: LedgerFile;
  readonly #ledger: Ledger | undefined;
  readonly #problems: Problem[] = [];
  readonly #advance: FilesInAdvance | undefined;
  readonly #early: EarlyCopies | undefined;
  readonly #held: number[] = [];
  readonly #decoder = new ManifestDecoder(limits);
  /** The source's. */
  #manifest: Manifest | undefined;
  /** That without what lies where other roots do, if it has anything there. */
  #trimmed: Trimmed | undefined;
  readonly #inner: ReadonlySet<RootPath>;
  #delta: DecodedDelta | undefined;
  /** Directories that a delta changes. */
  #changed: ReadonlySet<RootPath> = new Set();
  #observation: Observation = new Map();
  #scope: ReadonlySet<RootPath> | undefined;
  #rehashed = 0;
  #absent: readonly RootPath[] = [];
  #plan: Plan | undefined;
  #stage: Stage | undefined;
  #wants: Wants | undefined;
  #large: readonly Large[] = [];
  #patches: Patches = new Map();
  #supply: ChunkSupply | undefined;
  #journal: Journal | undefined;
  #reusedBytes = 0;
  #pushedBytes = 0;
  #switched: SwitchResult | undefined;
  #after: Ledger | undefined;
  #digest: Digest;

  /** Recovers the root if its last switch was interrupted, and reads its ledger unless that is `remembered`. */
  constructor(options: SessionOptions, remembered?: Remembered, advance?: FilesInAdvance, early?: EarlyCopies) {
    this.#options = options;
    this.#advance = advance;
    this.#early = early;
    early?.end();
    this.#digest = options.digest;
    this.#kept = new KeptVersions(options.conflictsDir);
    if (remembered?.stateDir === options.stateDir && !hasJournal(options.stateDir)) {
      this.#ledger = remembered.ledger;
      this.#file = remembered.file;
    } else {
      mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
      const { ledger, file, problem } = recoverRoot(options.stateDir, this.#kept);
      if (problem !== undefined) this.#problems.push(problem);
      this.#ledger = ledger;
      this.#file = file;
    }
    const { dest, rules, otherRoots, otherDestinations } = options;
    this.#root = resolveDestination(dest, rules);
    const named = otherDestinations.map((other) => absoluteDestination(other, rules.home));
    this.#inner = new Set([
      ...pathsInside(this.#root, otherRoots),
      ...pathsInside(absoluteDestination(dest, rules.home), named),
    ]);
  }

  /** Whether the ledger already is the wanted manifest, so that none need be fetched. */
  get knowsManifest(): boolean {
    return this.#ledger?.digest === this.#options.digest;
  }

  /** Absolute, latin1-held. */
  get root(): string {
    return this.#root;
  }

  /** What Towline has put there so far. */
  get ledgerDirectories(): readonly RootPath[] {
    return [...(this.#ledger?.directories.keys() ?? [])];
  }

  manifestBlock(block: Buffer): void {
    this.#decoder.push(block);
  }

  /**
   * Looks at the node's tree; only at the directories of `doubtful` if it is known that no other differs from the ledger.
   * Returns the ledger paths that the source lacks, to be asked about.
   */
  observe(doubtful: ReadonlySet<RootPath> | undefined): readonly RootPath[] {
    this.#manifest ??=
      this.knowsManifest && this.#ledger !== undefined ? ledgerManifest(this.#ledger) : this.#decoder.finish();
    if (manifestDigest(this.#manifest) !== this.#options.digest) {
      throw new TowError(
        'chunk-mismatch',
        `the manifest for ${displayPath(this.#options.dest)} is not the one that was announced`,
      );
    }
    this.#trimmed = trim(this.#manifest, this.#inner);
    this.#claim(this.#manifest.root.kind);
    if (this.#ledger === undefined) return this.#absent;
    // What hard links mean depends on paths that neither side changed.
    const plain = isPlain(this.#manifest) && isPlain(ledgerManifest(this.#ledger)) && this.#trimmed === undefined;
    const { verify } = this.#options;
    const scoped = (this.knowsManifest || this.#delta !== undefined) && plain && !verify && doubtful !== undefined;
    this.#scope = scoped ? new Set([...doubtful, ...this.#changed]) : undefined;
    let seen = observe(this.#root, this.#ledger, { verify, only: scoped ? doubtful : undefined, lend: true });
    if (seen.linked && this.#scope !== undefined) {
      this.#scope = undefined;
      seen = observe(this.#root, this.#ledger, { verify, only: undefined, lend: true });
    }
    this.#observation = seen.observation;
    this.#rehashed = seen.young.length;
    this.#absent = absentPaths(this.#ledger, this.#known().manifest, this.#scope);
    return this.#absent;
  }

  /** Takes a delta that came with the call, if it is one from what the ledger is. Returns whether the manifest is known now. */
  takeDelta(base: Digest, bytes: Buffer): boolean {
    if (this.#ledger?.digest !== base) return false;
    const before = ledgerManifest(this.#ledger);
    const delta = decodeDelta(before, bytes, limits);
    const { manifest, changed } = applyDelta(before, delta, limits);
    this.#manifest = manifest;
    this.#changed = changed;
    this.#delta = delta;
    return true;
  }

  /** Looks at `doubtful` directories of a root whose ledger is the wanted manifest; returns those that stay in doubt. Changes nothing. */
  look(doubtful: ReadonlySet<RootPath> | undefined): readonly RootPath[] {
    if (this.#ledger === undefined) return [];
    const { observation, young } = observe(this.#root, this.#ledger, { verify: false, only: doubtful, lend: false });
    return [...new Set([...observation.keys(), ...young].flatMap((path) => [path, parentOf(path)]))];
  }

  /** Plans, and begins to stage: takes up what was staged before. `ignored` are indexes into what `observe` returned. */
  stage(ignored: readonly number[]): StagedTotals {
    const { manifest, options } = this.#known();
    const ignoredPaths = new Set(ignored.map((at) => this.#absent[at] ?? ''));
    // What lies in another root is that root's from now on.
    for (const path of this.#absent) if (isWithin(path, this.#inner)) ignoredPaths.add(path);
    const plan = planPull({
      root: this.#root,
      manifest,
      ledger: this.#ledger,
      observation: this.#observation,
      ignored: ignoredPaths,
      scope: this.#scope,
      renamed: this.#trimmed === undefined && isPlain(manifest) ? (this.#delta?.renamed ?? []) : [],
    });
    if (!options.allowDelete) {
      const removed = plan.removals.flatMap((op) => (op.op === 'remove' ? [op.path] : []));
      checkDeletes(options.dest, this.#ledger, this.#manifest ?? manifest, options.source, removed);
    }
    this.#plan = plan;
    const { placements, moves, treeMoves, removals, directories, trees, metas } = plan;
    const moved = moves.length + filesIn(treeMoves);
    const files = placements.length + moved;
    if (files + treeMoves.length + removals.length + directories.length + trees.length + metas.length === 0)
      return { settled: true, files: 0, finishedFiles: 0, wantedBytes: 0 };
    const appears = manifest.root.kind === 'dir' && look(absolutePath(this.#root, '')) === undefined;
    const directory = stageDirectory(Buffer.from(options.stateDir).toString('latin1'), this.#root, options.key);
    if (this.#early?.hasBegun !== true) discardEarly(directory);
    const stage = new Stage(directory, appears, options.digest);
    this.#stage = stage;
    if (this.#advance?.stage !== directory) this.#advance?.drop();
    const wire = { manifest: this.#manifest ?? manifest, standIns: this.#trimmed?.standIns ?? new Map() };
    const { wants, large, finishedFiles } = this.#diskFull(() => stagePlan(stage, manifest, plan, wire, this.#advance));
    this.#wants = wants;
    this.#large = large;
    this.#supply = new ChunkSupply(
      { root: this.#root, manifest, placements, stage, wants },
      wire.manifest,
      this.#delta?.part,
    );
    const wantedBytes = large.reduce((sum, { bytes }) => sum + bytes, wants.bytes);
    return { settled: false, files, finishedFiles: finishedFiles + moved, wantedBytes };
  }

  /** Fills chunks from the root's own files, and what came with the call; then says which must be fetched. */
  reuse(maxRuns: number, step: (bytes: number, finishedFiles: number) => void): Left {
    const { wants, stage } = this.#wanting();
    const reused = (bytes: number, finished: number): void => {
      this.#reusedBytes += bytes;
      step(bytes, finished);
    };
    const first = this.#plan?.placements.map(({ path }) => path) ?? [];
    const [root, ledger, observation] = [this.#root, this.#ledger, this.#observation];
    const from = ledger && { root, ledger, observation, first, verify: this.#options.verify };
    this.#diskFull(() => {
      this.#patches = beginLarge(from, this.#large, wants, reused, this.#early, this.#held);
      this.#early?.drop();
      const before = wants.bytes;
      const pushed = takePushed(this.#delta, wants);
      this.#pushedBytes = pushed.bytes;
      step(before - wants.bytes, pushed.finishedFiles);
      if (from !== undefined) reuseChunks(from, wants, reused);
    });
    checkSpace(stage.directory, wants.bytes, 0);
    return this.supply.left(maxRuns);
  }

  /** Where what is wanted still may come from. */
  get supply(): ChunkSupply {
    assert(this.#supply !== undefined, 'chunks before stage');
    return this.#supply;
  }

  /** Makes the stage complete and durable and writes the journal. From here on the switch will happen. */
  prepare(): void {
    const { manifest, options } = this.#known();
    const { plan, stage } = this.#staged();
    if (stage.appears && look(absolutePath(this.#root, '')) !== undefined)
      throw new TowError('source-changed', `${displayPath(this.#root)} appeared on the node meanwhile`);
    this.#supply?.close();
    this.#diskFull(() => {
      rememberRoot(options.stateDir, this.#root);
      stageLinks(stage, this.#root, plan.placements);
      finishTrees(stage, manifest, plan);
      syncStage(stage.directory);
      this.#journal = {
        id: `${Date.now().toString(36)}${randomBytes(4).toString('hex')}`,
        root: this.#root,
        dest: options.dest,
        stage: stage.directory,
        ops: opsOf(stage, plan, manifest, this.#patches),
        record: nextRecord(this.#ledger, manifest, options.source, keptPrints(plan, this.#ledger), this.#scope),
      };
      if (this.#journal.ops.length + plan.placements.length > manyFiles) collectGarbage();
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
    this.#after = after;
    this.#digest = after.digest;
    this.#problems.push(...result.problems);
  }

  /** For a root that was settled: puts drifted metadata back and remembers the new prints. */
  settle(): void {
    const { manifest, options, plan } = this.#known();
    assert(plan !== undefined, 'settle before stage');
    discardStages(Buffer.from(options.stateDir).toString('latin1'), this.#root, options.key);
    rememberRoot(options.stateDir, this.#root);
    const restored = new Set(plan.restores.filter((op) => applyMeta(this.#root, op)).map(({ path }) => path));
    const fresh = [...this.#observation].some(([, seen]) => seen.state === 'touched');
    const digest = this.#trimmed === undefined ? options.digest : manifestDigest(manifest);
    this.#digest = digest;
    const sameAsBefore = this.#ledger?.digest === digest && this.#ledger.source === options.source;
    if (sameAsBefore && !fresh && this.#rehashed === 0) return;
    const record = settleRecord(
      this.#root,
      this.#ledger,
      nextRecord(this.#ledger, manifest, options.source, plan.prints, this.#scope),
      { unproven: new Set(), failed: new Set(), unplaced: new Set(), restored, exact: false },
    );
    const after = applyRecord(this.#ledger, record);
    this.#file.append(record, after);
    this.#after = after;
    this.#digest = after.digest;
  }

  /** Empties the stage and says what came of it all. */
  finish() {
    this.#release();
    this.#stage?.empty();
    const { manifest, plan } = this.#known();
    const totals = manifestTotals(manifest);
    return {
      digest: this.#digest,
      files: totals.files,
      bytes: totals.bytes,
      reusedBytes: this.#reusedBytes + (this.#supply?.madeBytes ?? 0),
      pushedBytes: this.#pushedBytes,
      newDirectories: newDirectories(plan, this.#ledger, this.#after),
      placed: (plan?.placements.length ?? 0) + (plan?.moves.length ?? 0) + filesIn(plan?.treeMoves ?? []),
      removed: (plan?.removals.length ?? 0) + (plan?.lateRemovals.length ?? 0),
      conflicts: this.#switched?.conflicts ?? [],
      leftOut: this.#trimmed?.leftOut ?? [],
      problems: this.#problems,
    };
  }

  /** For the next session, once this one has come to its end. */
  remember(): Remembered | undefined {
    const ledger = this.#after ?? this.#ledger;
    return ledger === undefined ? undefined : { stateDir: this.#options.stateDir, ledger, file: this.#file };
  }

  /** Lets go of open files; what is staged stays for the next pull. */
  abandon(): void {
    this.#supply?.close();
    this.#release();
  }

  #release(): void {
    this.#early?.drop();
    // In a thread of its own: nobody waits for what that frees.
    for (const fd of this.#held.splice(0)) close(fd, () => undefined);
  }

  #claim(kind: EntryKind): void {
    const { dest, rules } = this.#options;
    claimRoot({
      root: this.#root,
      dest,
      kind,
      ours: this.#ledger?.root.kind,
      inHome: this.#root.startsWith(`${rules.home}/`),
      sudo: rules.reach === 'machine',
    });
  }

  /** The manifest that the root is to have. */
  #known(): { manifest: Manifest; options: SessionOptions; plan: Plan | undefined } {
    assert(this.#manifest !== undefined, 'no manifest yet');
    return { manifest: this.#trimmed?.manifest ?? this.#manifest, options: this.#options, plan: this.#plan };
  }

  #wanting(): { wants: Wants; stage: Stage } {
    assert(this.#wants !== undefined && this.#stage !== undefined, 'chunks before stage');
    return { wants: this.#wants, stage: this.#stage };
  }

  #staged(): { plan: Plan; stage: Stage } {
    assert(
      this.#plan !== undefined && this.#stage !== undefined && this.#wants?.count === 0,
      'the stage is not complete',
    );
    return { plan: this.#plan, stage: this.#stage };
  }

  #diskFull<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explainDiskFull(error, this.#stage?.directory ?? this.#options.stateDir);
    }
  }
}
