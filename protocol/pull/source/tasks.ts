import type { Problem } from '../../base/errors.ts';
import type { RootPath } from '../../base/root-path.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import type { Renewal, RuleState } from './ignore/rule-state.ts';
import type { SpanTags } from './span-tags.ts';

/** A rule that ignores a path, as people are told of it. */
export interface NamedRule {
  readonly file: string;
  readonly line: number;
  readonly pattern: string;
}

/** What every look at a source needs. */
export interface WalkInput {
  /** Absolute, latin1-held, symlinks resolved. */
  readonly root: string;
  readonly home: string;
  readonly xdgConfigHome: string | undefined;
  readonly sendGit: boolean;
  /** Shared; not 0 once nobody wants the result any more. */
  readonly cancel: Int32Array;
}

/** A directory to be listed. */
export interface WalkPart {
  readonly path: RootPath;
  /** With all that is below it. */
  readonly deep: boolean;
  /** Only these names may differ from the listing in `WalkTask.known`. */
  readonly names?: readonly string[];
}

export interface WalkTask extends WalkInput {
  /** Only these directories are listed; the whole tree if undefined. The root's own record comes with the directory ''. */
  readonly only: readonly WalkPart[] | undefined;
  /** Frames of the listings that parts with `names` had. */
  readonly known?: Uint8Array;
  /** Names the rules as they are: walks with the same name may use what another one read of them. */
  readonly rules: string;
  /** What walks of the same tree have read of git's indexes, which takes long. */
  readonly tracked?: RuleState['tracked'];
}

export interface WalkOutput {
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  readonly skipped: number;
  /** Names sent outside `.git`, directories not counted. */
  readonly files: number;
  readonly ignored: number;
  /** The rule that ignored the first of them. */
  readonly firstRule: NamedRule | undefined;
  /** What the verdicts hang on. */
  readonly rules: RuleState;
  /** Of `only`: what is no directory any more, or no part of what is sent. */
  readonly gone: readonly RootPath[];
  /** Ignored directories that git tracks something in, of which nothing is there: not sent now. */
  readonly empty: readonly RootPath[];
  /** Listing some directories was not enough to tell what is sent: the whole tree must be walked. */
  readonly unclear: boolean;
}

export interface RecheckInput {
  readonly root: string;
  /** Frames of the listings that directories had. */
  readonly known: Uint8Array;
  readonly cancel: Int32Array;
}

/** A directory that is not what it was; without `names` any name of it may be. */
export interface ChangedDirectory {
  readonly path: RootPath;
  readonly names?: readonly string[];
}

export interface Rechecked {
  readonly changed: readonly ChangedDirectory[];
  /** Whether any file had more than one name. */
  readonly hasLinks: boolean;
}

/** Where files are packed as they are read (chunk/file-pack.ts), and how. */
export interface Carry {
  /** Nobody else's until the packs have been sent. What does not fit is not packed. */
  readonly into: SharedArrayBuffer;
  /** Undefined to leave them raw. */
  readonly quality: number | undefined;
  /** The longest body of one pack. */
  readonly maxBytes: number;
}

/** A file pack: its header, and where its body lies in the carry's memory. */
export interface CarriedPack {
  readonly header: Uint8Array;
  readonly from: number;
  readonly length: number;
  readonly rawBytes: number;
}

export interface HashInput {
  readonly root: string;
  readonly paths: readonly RootPath[];
  readonly carry?: Carry;
  /** With a `carry`: git packs of this root; what they have is not carried but named. They are sent as well: in advance too, unless the last scan knew them. */
  readonly packs?: readonly RootPath[];
  /** The chunk lists that large ones of them had, by their index. */
  readonly known: ReadonlyMap<number, ChunkList>;
  readonly cancel: Int32Array;
}

export interface HashPartInput {
  readonly root: string;
  readonly path: RootPath;
  /** Bytes. Chunks are cut from the first cut at `from` or behind up to that at `to` or behind. */
  readonly from: number;
  readonly to: number;
  /** Of the whole file. */
  readonly size: number;
  /** The chunk list that the whole file had, tags of its spans, and the key that tags are made with. */
  readonly known: ChunkList | undefined;
  readonly spans: SpanTags | undefined;
  readonly tagKey: Uint8Array | undefined;
  /** Whether it is to be told what the file has of `known`. */
  readonly tellsKept: boolean;
  readonly carry?: Carry;
  readonly cancel: Int32Array;
}

/** Bytes read since the last one, and what of them is where in the known file (kept-ranges.ts). */
export interface PartProgress {
  readonly bytes: number;
  readonly kept: readonly number[];
}

export interface HashedPart {
  /** Offset of its first chunk, and of the one behind its last. */
  readonly begin: number;
  readonly end: number;
  readonly fresh: boolean;
  readonly mode: number;
  /** mtime, ctime (ns), inode, size. */
  readonly stamp: readonly [bigint, bigint, bigint, bigint];
  readonly list: Uint8Array;
  readonly tags: SpanTags;
  /** With a `carry`: its bytes. */
  readonly carried: readonly CarriedPack[];
}

/** How reading a file went: `fresh` is read, but too young for its record to be trusted later. */
export type HashStatus = 'settled' | 'fresh' | 'gone' | 'failed';

/** A result a path, as columns. */
export interface HashOutput {
  readonly statuses: readonly HashStatus[];
  readonly modes: readonly number[];
  /** Four a path: mtime, ctime (ns), inode, size. */
  readonly stamps: BigInt64Array;
  /** Bytes of each chunk list, and the lists one after the other. */
  readonly listBytes: readonly number[];
  readonly lists: Uint8Array;
  readonly problems: readonly Problem[];
  /** With a `carry`: the files that were read whole. */
  readonly carried: readonly CarriedPack[];
}

/** Consecutive records of one file's chunk list; `offset` is where the first lies in the file. */
export interface PackPart {
  readonly path: RootPath;
  readonly offset: number;
  readonly list: ChunkList;
}

export interface PackInput {
  readonly root: string;
  readonly parts: readonly PackPart[];
  readonly rawBytes: number;
  readonly quality: number | undefined;
  /** Where the body goes; at least `rawBytes` long, and nobody else's until the task is done. */
  readonly into: SharedArrayBuffer;
  /** The longest body that is wanted; one chunk alone is never longer. */
  readonly maxBytes: number;
}

export type PackOutput =
  /** The body is the first `length` bytes of `into`. */
  | { readonly type: 'body'; readonly codec: 'raw' | 'brotli'; readonly length: number }
  /** The body would be longer than wanted. */
  | { readonly type: 'too-long' }
  /** The file does not have these bytes any more. */
  | { readonly type: 'changed'; readonly path: RootPath; readonly reason: string };

export interface FindObjectsInput {
  readonly root: string;
  /** Git packs, by their paths in the root. */
  readonly packs: readonly RootPath[];
  readonly paths: readonly RootPath[];
}

/** How a path stands at the source now. */
export interface PathStanding {
  /** `unsent`: there, but never sent (a socket, or `.git` where that is switched off). */
  readonly state: 'absent' | 'sent' | 'ignored' | 'unsent';
  readonly rule: NamedRule | undefined;
  /** A rule ignores it, but git tracks it. */
  readonly tracked: boolean;
}

export type SourceTasks = {
  /** Lists a tree; events are frames of listings (see listing.ts), the root itself under `rootItself`. */
  readonly walk: { readonly input: WalkTask; readonly event: Uint8Array; readonly output: WalkOutput };
  /** Which directories are not what they were (recheck-task.ts). */
  readonly recheck: {
    readonly input: RecheckInput;
    readonly event: never;
    readonly output: Rechecked;
  };
  /** Whether rules still say what they said, see `renewRules`. */
  readonly renew: {
    readonly input: { readonly state: RuleState; readonly changed: readonly string[] };
    readonly event: never;
    readonly output: Renewal | undefined;
  };
  /** Chunks and hashes files; events are bytes read since the last one. */
  readonly hash: { readonly input: HashInput; readonly event: number; readonly output: HashOutput };
  /** A part of one large file; undefined where it must be read as a whole. */
  readonly hashPart: {
    readonly input: HashPartInput;
    readonly event: PartProgress;
    readonly output: HashedPart | undefined;
  };
  readonly pack: { readonly input: PackInput; readonly event: never; readonly output: PackOutput };
  readonly findObjects: {
    readonly input: FindObjectsInput;
    readonly event: never;
    /** Packs of objects (chunk/file-pack.ts). */
    readonly output: readonly Uint8Array[];
  };
  readonly stand: {
    readonly input: WalkInput & { readonly paths: readonly RootPath[] };
    readonly event: never;
    readonly output: readonly PathStanding[];
  };
};

/** Stands for the path of a directory whose only entry, with an empty name, is the root itself. */
export const rootItself = '/';
