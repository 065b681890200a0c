/** Runs the ops of a journal. Every op can be run again, and none destroys what is not ours: see docs/decisions/0001. */
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { assertNever } from '../../base/assert.ts';
import { errnoOf, type Problem, toTowError } from '../../base/errors.ts';
import {
  absolutePath,
  displayPath,
  joinPath,
  type NativePath,
  nativePath,
  parentOf,
  type RootPath,
} from '../../base/root-path.ts';
import { digestHex, digestOf } from '../../chunk/digest.ts';
import { leaseLastsMs, openAlone } from '../../libc/lease.ts';
import { renameNoReplaceSync } from '../../libc/libc.ts';
import type { ConflictReason } from '../../wire/pull.ts';
import { applyMeta, applyStats } from './apply-meta.ts';
import { syncDirectory } from './durable-file.ts';
import { foreseeConflicts, keptId } from './foresee-conflicts.ts';
import { gitPath, isTransientGitFile } from './git-state.ts';
import type { Journal } from './journal.ts';
import type { KeptVersions } from './kept-versions.ts';
import type { LedgerDirectory } from './ledger.ts';
import { LostNames } from './lost-names.ts';
import type { Op, PatchOp } from './op.ts';
import { applyPatch, completePatch, reopenBase } from './patch-file.ts';
import { metaOp } from './plan.ts';
import { look, noPrint, type Print, printInode, printOf } from './print.ts';
import { cannotKeep, changedMeanwhile, wholeSwitch } from './switch-errors.ts';
import type { SwitchResult } from './switch-result.ts';
import { hasExactly } from './tree-moves.ts';

/** Blocking. Throws only what concerns the whole switch (no space, I/O error): the journal stays and is run again. */
export function runSwitch(journal: Journal, kept: KeptVersions): SwitchResult {
  const { root, dest } = journal;
  const foreseen = foreseeConflicts(journal);
  kept.announce(foreseen.map(({ id, path, reason }) => ({ id, meta: { root, dest, path, reason } })));
  const run = new SwitchRun(journal, kept);
  journal.ops.forEach((op, at) => run.step(op, at));
  kept.takeBack(foreseen.map(({ id }) => id));
  return run.result();
}

class SwitchRun {
  readonly #journal: Journal;
  readonly #kept: KeptVersions;
  readonly #realDirectories = new Set<RootPath>();
  readonly #conflicts = new Map<string, { id: string; path: RootPath; reason: ConflictReason }>();
  readonly #problems: Problem[] = [];
  readonly #lostNames = new LostNames();
  readonly #unproven = new Set<RootPath>();
  readonly #unplaced = new Set<RootPath>();
  #at = 0;
  #opPath: RootPath = '';

  constructor(journal: Journal, kept: KeptVersions) {
    this.#journal = journal;
    this.#kept = kept;
  }

  result(): SwitchResult {
    return {
      conflicts: [...this.#conflicts.values()],
      problems: this.#problems,
      unproven: this.#unproven,
      unplaced: this.#unplaced,
    };
  }

  step(op: Op, at: number): void {
    this.#at = at;
    this.#opPath = op.op === 'appear' ? '' : op.path;
    this.#attempt(op.op, this.#opPath, () => this.#run(op));
  }

  #attempt(what: Op['op'], path: RootPath, work: () => void): void {
    try {
      work();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || wholeSwitch.has(errno)) throw error;
      const { code, message } = toTowError(error, `cannot ${what} ${displayPath(path)}`);
      this.#problems.push({ path, code, message });
      if (what === 'place' || what === 'patch' || what === 'move' || what === 'moveTree') this.#unplaced.add(path);
    }
  }

  #run(op: Op): void {
    switch (op.op) {
      case 'appear':
        return this.#appear();
      case 'remove':
        return this.#remove(op.path, op.expect);
      case 'rmdir':
        return this.#rmdir(op.path);
      case 'mkdir':
        return this.#mkdir(op.path, op.expect);
      case 'place':
        return this.#placeStaged(op.path, op.staged, op.expect);
      case 'patch':
        return this.#patch(op);
      case 'move':
        return this.#move(op.from, op.path, op.expect);
      case 'moveTree':
        return this.#moveTree(op.from, op.path, op.expect);
      case 'meta':
        // Written to by the node since then; or set by an earlier run.
        if (!applyMeta(this.#journal.root, op)) this.#unproven.add(op.path);
        return;
      default:
        return assertNever(op);
    }
  }

  #abs(path: RootPath): NativePath {
    return absolutePath(this.#journal.root, path);
  }

  #appear(): void {
    const tree = Buffer.from(`${this.#journal.stage}/tree`, 'latin1');
    if (look(tree) === undefined) {
      this.#unproven.add('');
      return;
    }
    this.#clear('', noPrint, 'in-the-way');
    // A directory of mode without w cannot be renamed to another parent; its own mode is set last by a meta op.
    chmodSync(tree, 0o700);
    renameSync(tree, this.#abs(''));
  }

  #remove(path: RootPath, expect: Print): void {
    if (!this.#parentIsReal(path)) return;
    const stats = look(this.#abs(path));
    if (stats === undefined || stats.isDirectory()) return;
    if (this.#lostNames.takes(printOf(stats), expect)) this.#writable(path, () => unlinkSync(this.#abs(path)));
    else this.#moveAway(path, 'deleted-at-source');
  }

  #rmdir(path: RootPath): void {
    if (!this.#parentIsReal(path)) return;
    try {
      this.#writable(path, () => rmdirSync(this.#abs(path)));
    } catch (error) {
      // Something of theirs is in it, or it is gone, or no directory any more: it is not ours to remove.
      const errno = errnoOf(error);
      if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST' && errno !== 'ENOENT' && errno !== 'ENOTDIR') throw error;
    }
  }

  #mkdir(path: RootPath, expect: Print): void {
    const stats = look(this.#abs(path));
    if (stats?.isDirectory() === true) return;
    this.#clear(path, expect, 'in-the-way');
    if (look(this.#abs(path)) !== undefined) this.#writable(path, () => unlinkSync(this.#abs(path)));
    this.#writable(path, () => mkdirSync(this.#abs(path), { mode: 0o700 }));
    this.#realDirectories.add(path);
  }

  #placeStaged(path: RootPath, staged: string, expect: Print): void {
    const from = nativePath(`${this.#journal.stage}/files/${staged}`);
    const stats = look(from);
    if (stats === undefined) this.#unproven.add(path);
    else if (stats.isDirectory()) this.#placeTree(from, path, stats, path);
    else this.#place(from, path, expect);
  }

  /** Places a staged directory of `tree`; goes into one that turned up at its path, for what is in that is not ours to move. */
  #placeTree(from: NativePath, path: RootPath, staged: BigIntStats, tree: RootPath): void {
    if (look(this.#abs(path))?.isDirectory() !== true || !this.#parentIsReal(path)) {
      if (path !== tree) chmodSync(from, 0o700);
      this.#place(from, path, noPrint);
      if (path !== tree) applyStats(this.#abs(path), staged);
      return;
    }
    chmodSync(from, 0o700);
    // If this is cut short, what was placed of it is known by its absence from the stage only.
    this.#unproven.add(tree);
    for (const name of readdirSync(from, { encoding: 'latin1' })) {
      const child = joinPath(path, name);
      const childFrom = absolutePath(from.toString('latin1'), name);
      this.#attempt('place', child, () => {
        const stats = look(childFrom);
        if (stats?.isDirectory() === true) this.#placeTree(childFrom, child, stats, tree);
        else this.#place(childFrom, child, noPrint);
      });
    }
    // What could not be placed stays in it.
    if (readdirSync(from).length > 0) return;
    rmdirSync(from);
    if (path !== tree) applyStats(this.#abs(path), staged);
  }

  #place(from: NativePath, path: RootPath, expect: Print): void {
    for (;;) {
      this.#clear(path, expect, expect === noPrint ? 'in-the-way' : 'changed');
      if (this.#writable(path, () => this.#rename(from, path, expect))) break;
    }
    // Renaming one name of a file over another name of the same file does nothing and leaves both (rename(2)).
    if (look(from) !== undefined) unlinkSync(from);
  }

  #patch(op: PatchOp): void {
    const { path, staged, expect } = op;
    const patch = nativePath(`${this.#journal.stage}/files/${staged}`);
    const base = nativePath(`${this.#journal.stage}/files/${staged}-base`);
    let fd = reopenBase(base, expect);
    // Another file was taken for it, and the run that did so was cut off before it could keep that.
    if (fd === undefined && look(base) !== undefined) this.#keepBase(path, base);
    const again = fd !== undefined || look(patch) === undefined;
    if (again) this.#unproven.add(path);
    else {
      if (!this.#parentIsReal(path)) throw changedMeanwhile(path);
      fd = openAlone(this.#abs(path), { write: true });
      if (fd === undefined && !completePatch(patch, this.#abs(path), op)) throw changedMeanwhile(path);
      if (fd === undefined) this.#place(patch, path, expect);
    }
    if (fd === undefined) return;
    const began = performance.now();
    try {
      if (!again) this.#takeOut(fd, path, base, expect);
      applyPatch(fd, patch, op);
      this.#place(base, path, noPrint);
    } finally {
      closeSync(fd);
    }
    if (performance.now() - began > leaseLastsMs) this.#unproven.add(path);
  }

  #keepBase(path: RootPath, base: NativePath): void {
    const { root, dest } = this.#journal;
    const id = `${keptId(this.#journal, this.#at)}-base`;
    try {
      this.#kept.keep(id, { root, dest, path, reason: 'changed' }, base.toString('latin1'), '');
    } catch (error) {
      throw cannotKeep(path, error);
    }
    this.#conflicts.set(id, { id, path, reason: 'changed' });
  }

  /** Takes a file that is to be patched out of the root, durably: it must not be seen half done. */
  #takeOut(fd: number, path: RootPath, base: NativePath, expect: Print): void {
    const stats = fstatSync(fd, { bigint: true });
    if (printOf(stats) !== expect) throw changedMeanwhile(path);
    const where = this.#abs(path);
    this.#writable(path, () => renameSync(where, base));
    if (look(base)?.ino !== stats.ino) {
      this.#keepBase(path, base);
      throw changedMeanwhile(path);
    }
    syncDirectory(this.#abs(parentOf(path)));
  }

  #move(from: RootPath, path: RootPath, expect: Print): void {
    const stats = this.#parentIsReal(from) ? look(this.#abs(from)) : undefined;
    const there = stats === undefined ? look(this.#abs(path)) : undefined;
    // An earlier run moved it; another file there would be the node's own.
    if (there !== undefined && printInode(printOf(there)) === printInode(expect)) {
      this.#unproven.add(path);
      return;
    }
    if (stats === undefined || printOf(stats) !== expect) throw changedMeanwhile(from);
    this.#renameInRoot(from, path);
  }

  #moveTree(from: RootPath, path: RootPath, expect: Print): void {
    const stats = this.#parentIsReal(from) ? look(this.#abs(from)) : undefined;
    const there = this.#parentIsReal(path) ? look(this.#abs(path)) : undefined;
    const tree = this.#journal.record.replaced.filter((each) => each.path === path || each.path.startsWith(`${path}/`));
    const under = (at: RootPath): RootPath => `${from}${at.slice(path.length)}`;
    const has = (where: (at: RootPath) => RootPath): boolean =>
      tree.every((each) => hasExactly(this.#journal.root, where(each.path), each.entries));
    const moved = there?.isDirectory() === true && printInode(printOf(there)) === printInode(expect);
    // An earlier run moved it, whatever is at its old path now. An inode alone proves nothing: its number is given out again.
    if (moved && has((at) => at)) return;
    // Or it moved its files one by one, perhaps not all of them.
    if (moved || (stats === undefined && there?.isDirectory() === true)) {
      this.#moveEach(tree, under);
      return;
    }
    if (stats?.isDirectory() !== true || printInode(printOf(stats)) !== printInode(expect))
      throw changedMeanwhile(from);
    if (!has(under)) {
      this.#moveEach(tree, under);
      return;
    }
    // To another parent it goes only if it may be written in; its own mode is set last by a meta op.
    if (parentOf(from) !== parentOf(path)) chmodSync(this.#abs(from), 0o700);
    try {
      this.#renameInRoot(from, path);
    } catch (error) {
      // What is in an image's layer cannot be renamed as a whole (overlayfs).
      if (errnoOf(error) !== 'EXDEV') throw error;
      this.#moveEach(tree, under);
    }
  }

  #renameInRoot(from: RootPath, path: RootPath): void {
    const source = this.#abs(from);
    this.#writable(from, () => {
      for (;;) {
        this.#clear(path, noPrint, 'in-the-way');
        if (this.#writable(path, () => this.#rename(source, path, noPrint))) return;
      }
    });
  }

  /** Moves the files of a directory that has something else in it by now: that stays, with the directories it is in. */
  #moveEach(tree: readonly LedgerDirectory[], under: (path: RootPath) => RootPath): void {
    const parentsFirst = tree.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    for (const { path, entries, prints } of parentsFirst) {
      this.#attempt('mkdir', path, () => this.#mkdir(path, noPrint));
      for (const [at, { kind, name }] of entries.entries()) {
        const to = joinPath(path, name);
        if (kind !== 'dir') this.#attempt('move', to, () => this.#move(under(to), to, prints[at] ?? noPrint));
      }
    }
    for (const { path, entries } of parentsFirst.toReversed()) {
      this.#rmdir(under(path));
      for (const entry of entries)
        if (entry.kind === 'dir') applyMeta(this.#journal.root, metaOp(joinPath(path, entry.name), entry));
    }
  }

  /** False if something turned up where nothing of ours was expected. */
  #rename(from: NativePath, path: RootPath, expect: Print): boolean {
    if (expect === noPrint) {
      const outcome = renameNoReplaceSync(from, this.#abs(path));
      if (outcome !== 'unsupported') return outcome === 'renamed';
    }
    renameSync(from, this.#abs(path));
    return true;
  }

  /** Makes sure that nothing but the expected object is at a path. */
  #clear(path: RootPath, expect: Print, reason: ConflictReason): void {
    if (path !== '' && !this.#parentIsReal(path))
      throw Object.assign(new Error(`${displayPath(parentOf(path))} is no directory`), { code: 'ENOTDIR' });
    const stats = look(this.#abs(path));
    if (stats === undefined) return;
    if (stats.isDirectory()) {
      this.#rmdir(path);
      if (look(this.#abs(path)) !== undefined) this.#moveAway(path, 'in-the-way');
    } else if (!this.#lostNames.takes(printOf(stats), expect)) this.#moveAway(path, reason);
  }

  #moveAway(path: RootPath, reason: ConflictReason): void {
    const git = gitPath(path);
    if (git !== undefined && isTransientGitFile(git) && look(this.#abs(path))?.isDirectory() !== true) {
      this.#writable(path, () => unlinkSync(this.#abs(path)));
      return;
    }
    const subject = git?.gitDir ?? path;
    const why = git === undefined ? reason : 'git-state';
    const hash = digestHex(digestOf(subject)).slice(0, 8);
    const own = keptId(this.#journal, this.#at);
    const plain = path === this.#opPath ? own : `${own}-${hash}`;
    const id = git === undefined ? plain : `${this.#journal.id}-git-${hash}`;
    const { root, dest } = this.#journal;
    const from = path === '' ? root : `${root}/${path}`;
    this.#writable(path, () =>
      this.#kept.keep(id, { root, dest, path: subject, reason: why }, from, git?.inside ?? ''),
    );
    this.#conflicts.set(subject, { id, path: subject, reason: why });
  }

  /** Whether every directory above a path is a directory, and no symlink out of the root. */
  #parentIsReal(path: RootPath): boolean {
    const parent = parentOf(path);
    if (path === '' || this.#realDirectories.has(parent)) return true;
    if (parent !== '' && !this.#parentIsReal(parent)) return false;
    const stats = look(this.#abs(parent));
    if (stats?.isDirectory() !== true) return false;
    this.#realDirectories.add(parent);
    return true;
  }

  /** Runs `change`; if the directory's mode forbids it, lends it the missing bits (a meta op behind sets the mode again). */
  #writable<T>(path: RootPath, change: () => T): T {
    try {
      return change();
    } catch (error) {
      if (errnoOf(error) !== 'EACCES' || path === '') throw error;
      chmodSync(this.#abs(parentOf(path)), 0o700);
      return change();
    }
  }
}
