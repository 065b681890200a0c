import * as v from 'valibot';
import { limits } from './limits.ts';
import { method } from './method.ts';
import {
  countSchema,
  digestSchema,
  idSchema,
  latin1,
  problemSchema,
  rootPathSchema,
  storePrefixSchema,
  textSchema,
} from './schema.ts';

/** Where a pull is. The order is the order they are passed through. */
export const pullPhases = ['scan', 'plan', 'fetch', 'stage', 'switch', 'ledger'] as const;

export const pullEventSchema = v.object({
  phase: v.picklist(pullPhases),
  files: countSchema,
  totalFiles: countSchema,
  bytes: countSchema,
  totalBytes: countSchema,
});
export type PullEvent = v.InferOutput<typeof pullEventSchema>;

export const conflictReasons = ['changed', 'deleted-at-source', 'in-the-way', 'git-state'] as const;
export type ConflictReason = (typeof conflictReasons)[number];

/** A node's version of a path that was kept before the source's took its place. */
export const conflictSchema = v.object({
  id: idSchema,
  path: rootPathSchema,
  reason: v.picklist(conflictReasons),
});

/** A catalogue (via/catalogue.ts) and the bucket it is in. */
const viaPlaceSchema = v.object({ offer: idSchema, prefix: storePrefixSchema, catalogue: digestSchema });
export type ViaPlace = v.InferOutput<typeof viaPlaceSchema>;

/** Damaged packs named in one result. */
export const maxDamagedNamed = 100;

/** What a node got from the object store that the chunks were published to. */
const viaResultSchema = v.object({
  /** As they came from there. */
  bytes: countSchema,
  /** Chunk bytes that it should have had and that came from the controller instead. */
  missedBytes: countSchema,
  /** Packs that lacked, or had other bytes than the catalogue says; some of them. */
  damaged: v.pipe(v.array(digestSchema), v.maxLength(maxDamagedNamed)),
  /** The catalogue itself lacked or was damaged. */
  noCatalogue: v.boolean(),
  /** Why the rest was not asked for there. */
  note: v.optional(textSchema),
});

export const pullResultSchema = v.object({
  /** What the root now is. */
  digest: digestSchema,
  files: countSchema,
  bytes: countSchema,
  /** Chunk bytes fetched: before compression, and as they crossed the link. */
  fetchedBytes: countSchema,
  sentBytes: countSchema,
  /** Chunk bytes found on the node instead of being fetched. */
  reusedBytes: countSchema,
  /** Paths put in place, and paths removed, by this pull. */
  placed: countSchema,
  removed: countSchema,
  conflicts: v.pipe(v.array(conflictSchema), v.maxLength(limits.conflictsNamed)),
  conflictCount: countSchema,
  /** Paths of the source that were not placed, because another root of the node lies there. */
  leftOut: v.optional(v.array(rootPathSchema), []),
  problems: v.array(problemSchema),
  problemCount: countSchema,
  /** Of a pull with `via` that lacked chunks. */
  via: v.optional(viaResultSchema),
});
export type PullResult = v.InferOutput<typeof pullResultSchema>;

/**
 * Controller to agent: make the root at `dest` equal to the snapshot. The agent fetches what it lacks by calling back
 * `pull.manifest`, `pull.chunks` and `pull.classify` with the same `snapshot`. Cancelling before the switch leaves the
 * root as it was; a switch under way is finished.
 */
export const pullRun = method(
  v.object({
    /** Destination as the task writes it: absolute, `~`, or `~/…`; bytes. */
    dest: latin1(limits.pathBytes),
    /** Destinations of the task's other roots: what lies in one of them is left out here. */
    others: v.optional(v.pipe(v.array(latin1(limits.pathBytes)), v.maxLength(limits.rootsNamed)), []),
    /** Which source this is (host and absolute path): a root fed by another one is refused without `allowDelete`. */
    source: textSchema,
    snapshot: idSchema,
    digest: digestSchema,
    allowDelete: v.boolean(),
    allowPartial: v.boolean(),
    /** Hash everything on the node again instead of trusting stat data. */
    verify: v.boolean(),
    /**
     * What the controller believes the root to be: the payload is a delta (chunk/manifest-delta.ts) from there to
     * `digest`. Of no use, and no harm, when the root is anything else.
     */
    base: v.optional(digestSchema),
    /** Of all that `base` has and the snapshot has not, what is at the source but ignored. To be asked for by `pull.classify` if it is not said. */
    ignored: v.optional(v.pipe(v.array(rootPathSchema), v.maxLength(limits.ignoredNamed))),
    /**
     * Where the chunks have been published: what the node lacks it asks for there, with `bucket.access` of this offer, and
     * only what it does not find there by `pull.chunks`.
     */
    via: v.optional(viaPlaceSchema),
    /** Whether `pull.foreseen` has chunks that an agent whose root is `base` will want. */
    foreseen: v.optional(v.boolean(), false),
    /** Whether bytes on the way are dear and the root has git packs: what much is wanted of is asked about by `pull.objects` first. */
    objects: v.optional(v.boolean(), false),
  }),
  pullEventSchema,
  pullResultSchema,
  false,
  true,
);

/**
 * Controller to agent: a scan has begun of what will be pulled to `dest`. A node that has nothing there yet fetches the
 * files as they are read, by `pull.files` of the same `offer`, and stages them for the pull, which waits for that. A node
 * that has something answers at once. Cancelled, or cut off, what came stays in the stage.
 */
export const pullAdvance = method(
  v.object({
    dest: latin1(limits.pathBytes),
    offer: idSchema,
  }),
  /** How much came so far. */
  v.object({ files: countSchema, bytes: countSchema }),
  v.object({
    /** Whether it wanted files, and how many came. */
    wanted: v.boolean(),
    files: countSchema,
  }),
);

/** From, to, length of so many ranges in one `pull.early`. */
export const maxEarlyRanges = 1024;

/**
 * Controller to agent: a large file is being read, at `path` of what will be pulled to `dest`, and has ranges of the file at `from`
 * of the root as it is, which the controller takes to be `base`. An agent that has it so may begin to copy them; the pull
 * then says what the file is, whatever was told.
 */
export const pullEarly = method(
  v.object({
    dest: latin1(limits.pathBytes),
    base: digestSchema,
    path: rootPathSchema,
    from: rootPathSchema,
    /** Bytes that the file will have. */
    size: countSchema,
    /** From, to, length, …, in bytes. */
    ranges: v.pipe(v.array(countSchema), v.maxLength(3 * maxEarlyRanges)),
  }),
  v.never(),
  /** Whether more of the same file is of use. */
  v.object({ wanted: v.boolean() }),
);

/** Agent to controller: the files of a scan as they are read, a file pack (chunk/file-pack.ts) a frame, until the scan is over. */
export const pullFiles = method(v.object({ offer: idSchema }), v.never(), v.object({}), true);

/** Agent to controller: the manifest of a snapshot, as a stream of blocks (see chunk/manifest-codec.ts). */
export const pullManifest = method(v.object({ snapshot: idSchema }), v.never(), v.object({}), true);

/**
 * Agent to controller: chunks, by their ordinal. Every data chunk (holes have none) of a snapshot is numbered from 0,
 * directories in path order, entries in name order, chunks in file order. `ranges` is first, count, first, count, …
 * ascending. The reply is a stream of packs (see chunk/pack.ts) in ascending order.
 * Fails with `source-changed` when a file no longer has the bytes that the manifest says: take a new snapshot.
 */
export const pullChunks = method(
  v.object({ snapshot: idSchema, ranges: v.pipe(v.array(countSchema), v.maxLength(200_000)) }),
  v.never(),
  v.object({}),
  true,
);

/**
 * Agent to controller: what a replica at `base` is likely to lack, sent without being asked for chunk by chunk while that
 * works out what it does lack: packs as of `pull.chunks`, whose ordinals count the data chunks of the delta's own manifest
 * alone. Once, while the `pull.run` that announced them lasts; after that nothing comes. Fails as `pull.chunks`.
 */
export const pullForeseen = method(v.object({ snapshot: idSchema }), v.never(), v.object({}), true);

/**
 * Agent to controller: which files, of those with chunks in `ranges` (as of `pull.chunks`), are objects of git packs of the
 * snapshot, as far as git's index says: packs of objects (see chunk/file-pack.ts), of whose files only the path and the
 * object count. It may be wrong; what is made of an object is believed only if its digests are right.
 */
export const pullObjects = method(
  v.object({ snapshot: idSchema, ranges: v.pipe(v.array(countSchema), v.maxLength(200_000)) }),
  v.never(),
  v.object({}),
  true,
);

/** Agent to controller: of these paths, absent from the snapshot, which are there at the source but ignored (by index). */
export const pullClassify = method(
  v.object({ snapshot: idSchema, paths: v.pipe(v.array(rootPathSchema), v.maxLength(4096)) }),
  v.never(),
  v.object({ ignored: v.array(countSchema) }),
);
