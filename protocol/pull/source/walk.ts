/**
 * Lists a source tree as its rules let it be sent. Runs in a worker thread; blocking.
 *
 * Directories are emitted after what is below them, because only then is known whether they can be read, and whether one
 * that is not sent for itself has something in it that is. A name that vanishes between being listed and being looked
 * at may have been renamed, so its directory is listed again.
 */
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { cancelled } from '../../base/abort.ts';
import { codeOfErrno, type ErrorCode, errnoOf, type Problem, TowError } from '../../base/errors.ts';
import { absolutePath, displayPath, joinPath, nameOf, parentOf, type RootPath } from '../../base/root-path.ts';
import type { ObjectKind } from '../../libc/lstat-words.ts';
import { DirectoryStamps } from './directory-stamp.ts';
import { gitDirOutside } from './git-file.ts';
import type { RuleState } from './ignore/rule-state.ts';
import type { IgnoreScope, OpenIgnore } from './ignore-scope.ts';
import {
  dirStampWords,
  encodeListing,
  frameListing,
  type ListedKind,
  type ListedName,
  Listing,
  mergeListing,
  sortListed,
  unframeListings,
} from './listing.ts';
import { hasName, type Name, namesIn } from './names-in.ts';
import { RecordStack } from './record-stack.ts';
import { missingRoot } from './resolve-root.ts';
import { type NamedRule, rootItself, type WalkOutput, type WalkPart, type WalkTask } from './tasks.ts';

/** Frames are gathered to about this many bytes before they are emitted. */
const batchBytes = 256 << 10;

/** `input.root` is no symlink. Throws `workdir-missing`, `permission-denied`, `not-supported` (a socket, say), `cancelled`. */
export function walkSource(input: WalkTask, openIgnore: OpenIgnore, emit: (frames: Uint8Array) => void): WalkOutput {
  return new Walker(input, emit).run(openIgnore);
}

/** Where a walk stands below the root: `scope` is undefined inside `.git`, where no rule counts. */
interface Place {
  readonly path: RootPath;
  readonly names: readonly Name[];
  /** Of before they were read; undefined if it proves nothing. */
  readonly stamp: Uint32Array | undefined;
  readonly scope: IgnoreScope | undefined;
}

class Walker {
  readonly #input: WalkTask;
  readonly #records = new RecordStack();
  readonly #stamps = new DirectoryStamps();
  readonly #emit: (frames: Uint8Array) => void;
  readonly #problems: Problem[] = [];
  readonly #warnings: string[] = [];
  #frames: Buffer[] = [];
  #frameBytes = 0;
  #skipped = 0;
  #files = 0;
  #ignored = 0;
  #firstRule: NamedRule | undefined;
  readonly #gone: RootPath[] = [];
  readonly #empty: RootPath[] = [];
  #unclear = false;
  /** Whether what is below a directory is listed, too. */
  #deep = true;
  /** Directories that are sent only for what is in them. */
  readonly #hollow = new Set<RootPath>();
  /** Towline's own directory, if there is one: it has the secrets of nodes and is never sent, even when the root is the home. */
  readonly #ownState: string | undefined;

  constructor(input: WalkTask, emit: (frames: Uint8Array) => void) {
    this.#input = input;
    this.#ownState = realPath(`${input.home}/.towline`);
    this.#emit = emit;
  }

  run(openIgnore: OpenIgnore): WalkOutput {
    const { root, home, xdgConfigHome, tracked } = this.#input;
    const kind = this.#rootKind();
    if (kind === 'other')
      throw new TowError('not-supported', `${displayPath(root)}: is neither a file nor a directory`);
    const { only } = this.#input;
    if (only === undefined || only.some(({ path }) => path === ''))
      this.#emitFrame(
        rootItself,
        this.#gather(() => [this.#listed(kind, '', '')]),
      );
    let rules: RuleState = { inputs: [], facts: new Map(), tracked: new Map() };
    if (kind === 'dir') {
      const stamp = this.#stamp('');
      const names = this.#names('');
      if (typeof names === 'string') throw missingRoot(root, Object.assign(new Error(names), { code: names }));
      const ignore = openIgnore({ root, home, xdgConfigHome, tracked });
      if (only === undefined) this.#emitFrame('', this.#entries({ path: '', names, stamp, scope: ignore.scope }));
      else this.#some(only, ignore.scope);
      this.#warnings.push(...ignore.warnings());
      rules = ignore.state();
    } else this.#files += 1;
    this.#flush();
    return {
      rules,
      gone: this.#gone,
      empty: this.#empty,
      unclear: this.#unclear,
      problems: this.#problems,
      warnings: this.#warnings,
      skipped: this.#skipped,
      files: this.#files,
      ignored: this.#ignored,
      firstRule: this.#firstRule,
    };
  }

  #some(only: readonly WalkPart[], top: IgnoreScope): void {
    const scopes = new Map<RootPath, IgnoreScope | 'git' | undefined>([['', top]]);
    const known = new Map(unframeKnown(this.#input.known));
    for (const { path, deep, names } of only) {
      this.#deep = deep;
      const scope = this.#scopeOf(path, scopes);
      const before = known.get(path);
      const inside = scope === 'git' ? undefined : scope;
      const listing =
        scope === undefined
          ? 'ENOENT'
          : ((names === undefined || before === undefined
              ? undefined
              : this.#named({ path, names: [], stamp: undefined, scope: inside }, new Set(names), before)) ??
            this.#whole(path, inside));
      if (typeof listing !== 'string') {
        this.#emitFrame(path, listing);
        // Whether it is sent may hang on that.
        if (new Listing(listing).count === 0 && scope !== 'git' && path !== '')
          this.#unclear ||= this.#hollow.has(path);
      } else if (listing === 'ENOENT' || listing === 'ENOTDIR') this.#gone.push(path);
      // What is sent of its parent hangs on that.
      else this.#unclear = true;
    }
  }

  /** Its listing, or the errno of why there is none. */
  #whole(path: RootPath, scope: IgnoreScope | undefined): Buffer | string {
    const stamp = this.#stamp(path);
    const names = this.#names(path);
    return typeof names === 'string' ? names : this.#entries({ path, names, stamp, scope });
  }

  /** The listing that was `known`, with these names as they are now; undefined if one of those it has is gone, perhaps renamed. */
  #named(place: Place, names: ReadonlySet<string>, known: Listing): Buffer | undefined {
    const had = new Set<string>();
    for (const { name } of known.texts()) if (names.has(name)) had.add(name);
    let changed = false;
    const listing = this.#gather(() => {
      const listed: ListedName[] = [];
      for (const name of [...names].sort()) {
        const looked = this.#lookQuietly(joinPath(place.path, name));
        const entry = looked === undefined ? 'gone' : this.#entry(place, name, looked === 'dir', looked);
        if (entry === 'gone') changed ||= looked !== undefined || had.has(name);
        else if (entry !== undefined) listed.push(entry);
      }
      return listed;
    });
    return changed ? undefined : mergeListing(known, names, listing);
  }

  /** The rules in a directory; undefined where there is none that would be walked, or only through a symlink. */
  #scopeOf(path: RootPath, scopes: Map<RootPath, IgnoreScope | 'git' | undefined>): IgnoreScope | 'git' | undefined {
    if (scopes.has(path)) return scopes.get(path);
    const parent = this.#scopeOf(parentOf(path), scopes);
    const scope = parent === undefined ? undefined : this.#enter(path, parent);
    scopes.set(path, scope);
    return scope;
  }

  #enter(path: RootPath, parent: IgnoreScope | 'git'): IgnoreScope | 'git' | undefined {
    const has = (file: string): boolean => this.#lookQuietly(joinPath(path, file)) !== undefined;
    const name = nameOf(path);
    if (this.#lookQuietly(path) !== 'dir') return undefined;
    if (parent === 'git' || name === '.git') return 'git';
    const { send, walk } = parent.judge(name, true);
    if (!send && !walk) return undefined;
    if (!send) this.#hollow.add(path);
    return parent.enter(name, { ignoreFile: has('.gitignore'), git: has('.git') });
  }

  /** The listing of a directory; what is below it is emitted meanwhile. */
  #entries(place: Place): Buffer {
    const seen = new Set<string>();
    let { stamp } = place;
    const list = (): ListedName[] => {
      const listed: ListedName[] = [];
      let names: readonly Name[] | string = place.names;
      for (let attempt = 0; attempt < 3 && typeof names !== 'string'; attempt += 1) {
        let vanished = false;
        for (const dirent of names) {
          const { name } = dirent;
          if (seen.has(name)) continue;
          const entry = this.#entry(place, name, dirent.isDirectory());
          if (entry === 'gone') vanished = true;
          else seen.add(name);
          if (entry !== 'gone' && entry !== undefined) listed.push(entry);
        }
        if (!vanished) break;
        stamp = undefined;
        names = this.#names(place.path);
      }
      return listed;
    };
    return this.#gather(list, () => stamp);
  }

  /** The listing of what `list` returns, which has put a record down for each, in that order. */
  #gather(list: () => ListedName[], stamp: () => Uint32Array | undefined = () => undefined): Buffer {
    const from = this.#records.top;
    const names = list();
    const records = this.#records.since(from);
    this.#records.truncate(from);
    const inOrder = names.every(({ name }, at) => at === 0 || (names[at - 1]?.name ?? '') < name);
    if (inOrder) return encodeListing(names, records, stamp());
    // A directory that was listed twice.
    const sorted = sortListed(names, records);
    return encodeListing(sorted.names, sorted.records);
  }

  /** Undefined when the name is not sent; 'gone' when it is not there, or not what it was. */
  #entry({ path, scope }: Place, name: string, isDir: boolean, looked?: ObjectKind): ListedName | 'gone' | undefined {
    if (Atomics.load(this.#input.cancel, 0) !== 0) throw cancelled();
    const git = name === '.git' && scope !== undefined;
    if (git && !this.#input.sendGit) return undefined;
    const judgement = git ? undefined : scope?.judge(name, isDir);
    if (judgement !== undefined && !judgement.send && !judgement.walk) {
      this.#ignored += 1;
      this.#firstRule ??= judgement.verdict.rule;
      return undefined;
    }
    const child = joinPath(path, name);
    if (isDir && `${this.#input.root}/${child}` === this.#ownState) return undefined;
    const { top } = this.#records;
    try {
      const kind = looked ?? this.#look(child);
      if (kind === 'dir' ? !isDir : isDir) return 'gone';
      if (kind === 'other') {
        this.#skipped += 1;
        return undefined;
      }
      if (kind === 'dir') return this.#directory(child, name, git ? undefined : scope, judgement?.send ?? true);
      if (scope !== undefined && !git) this.#files += 1;
      if (git && kind === 'file') this.#gitFile(child);
      return this.#listed(kind, name, kind === 'symlink' ? this.#linkText(child) : '');
    } catch (error) {
      this.#records.truncate(top);
      return this.#unreadable(child, name, error);
    }
  }

  /** Puts down the record of what was looked at last. */
  #listed(kind: ListedKind, name: string, text: string): ListedName {
    this.#records.push(kind, name.length, text.length);
    return { name, text };
  }

  #directory(
    path: RootPath,
    name: string,
    scope: IgnoreScope | undefined,
    send: boolean,
  ): ListedName | 'gone' | undefined {
    const { top } = this.#records;
    const listed = this.#listed('dir', name, '');
    if (!this.#deep) return listed;
    const stamp = this.#stamp(path);
    const names = this.#names(path);
    if (typeof names === 'string') {
      this.#records.truncate(top);
      return this.#unreadable(path, name, Object.assign(new Error(names), { code: names }));
    }
    const inside = scope?.enter(name, { ignoreFile: hasName(names, '.gitignore'), git: hasName(names, '.git') });
    const listing = this.#entries({ path, names, stamp, scope: inside });
    if (send || new Listing(listing).count > 0) {
      this.#emitFrame(path, listing);
      return listed;
    }
    this.#records.truncate(top);
    this.#empty.push(path);
    return undefined;
  }

  /** What is at a path; undefined if nothing is, or it cannot be told. */
  #lookQuietly(path: RootPath): ObjectKind | undefined {
    return this.#records.lookQuietly(this.#absolute(path));
  }

  #look(path: RootPath): ObjectKind {
    return this.#records.look(this.#absolute(path));
  }

  /** Latin1-held. */
  #absolute(path: RootPath): string {
    const { root } = this.#input;
    return path === '' ? root : `${root}/${path}`;
  }

  #rootKind(): ObjectKind {
    try {
      return this.#look('');
    } catch (error) {
      throw missingRoot(this.#input.root, error);
    }
  }

  #stamp(path: RootPath): Uint32Array | undefined {
    const stamp = new Uint32Array(dirStampWords);
    return this.#stamps.take(this.#records, this.#absolute(path), stamp) ? stamp : undefined;
  }

  /** What is in a directory, or the errno of why it cannot be told. */
  #names(path: RootPath): readonly Name[] | string {
    try {
      return namesIn(absolutePath(this.#input.root, path));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      return errno;
    }
  }

  #unreadable(path: RootPath, name: string, error: unknown): ListedName | 'gone' {
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof TowError) throw error;
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EINVAL') return 'gone';
    const code: ErrorCode = codeOfErrno(errno);
    this.#problems.push({ path, code, message: `${displayPath(path)}: cannot be read (${errno})` });
    return this.#listed('unknown', name, '');
  }

  #linkText(path: RootPath): string {
    return readlinkSync(absolutePath(this.#input.root, path), 'buffer').toString('latin1');
  }

  #gitFile(path: RootPath): void {
    const { root } = this.#input;
    const outside = gitDirOutside(readFileSync(absolutePath(root, path)), path, root);
    if (outside === undefined) return;
    this.#warnings.push(
      `${displayPath(path)} points outside what is synced (${displayPath(outside)}), so git will not work there on the node`,
    );
  }

  #emitFrame(path: RootPath, listing: Buffer): void {
    const frame = frameListing(path, listing);
    this.#frames.push(frame);
    this.#frameBytes += frame.length;
    if (this.#frameBytes >= batchBytes) this.#flush();
  }

  #flush(): void {
    if (this.#frames.length > 0) this.#emit(Buffer.concat(this.#frames));
    this.#frames = [];
    this.#frameBytes = 0;
  }
}

function* unframeKnown(frames: Uint8Array | undefined): Generator<[RootPath, Listing], void, void> {
  if (frames === undefined) return;
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  for (const { path, listing } of unframeListings(bytes)) yield [path, new Listing(listing)];
}

/** Latin1-held; undefined where there is nothing. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path, { encoding: 'buffer' }).toString('latin1');
  } catch {
    return undefined;
  }
}
