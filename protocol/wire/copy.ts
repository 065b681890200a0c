import * as v from 'valibot';
import { headAccessSchema } from './copied.ts';
import { limits } from './limits.ts';
import { method } from './method.ts';
import { conflictSchema, pullEventSchema } from './pull.ts';
import {
  countSchema,
  idSchema,
  latin1,
  problemSchema,
  rootPathSchema,
  storePrefixSchema,
  textSchema,
} from './schema.ts';
import { storeAccessSchema } from './store-access.ts';

export const copyResultSchema = v.object({
  files: countSchema,
  bytes: countSchema,
  /** Of objects that were fetched. */
  fetchedBytes: countSchema,
  /** Of these, what came from the head; and why it did not all come from there, if a head was named. */
  headBytes: v.optional(countSchema),
  headFailure: v.optional(textSchema),
  placed: countSchema,
  removed: countSchema,
  conflicts: v.pipe(v.array(conflictSchema), v.maxLength(limits.conflictsNamed)),
  conflictCount: countSchema,
  /** Paths of the bucket where another root lies. */
  leftOut: v.array(rootPathSchema),
  problems: v.array(problemSchema),
  problemCount: countSchema,
});
export type CopyWireResult = v.InferOutput<typeof copyResultSchema>;

/**
 * Controller to agent: make the root at `dest` what a bucket has below `prefix`, or the one object of that key. The agent
 * asks the bucket itself. Cancelling leaves whole files, old or new, and what was fetched for the next time.
 */
export const copyRun = method(
  v.object({
    dest: latin1(limits.pathBytes),
    access: storeAccessSchema,
    /** For `bucket.access`, when that ends. */
    offer: idSchema,
    prefix: storePrefixSchema,
    /** Destinations of the task's other roots. */
    others: v.pipe(v.array(latin1(limits.pathBytes)), v.maxLength(limits.rootsNamed)),
    mayBeEmpty: v.boolean(),
    allowDelete: v.boolean(),
    verify: v.boolean(),
    /** Of the cluster, which has copied this place: bytes are asked for there first. */
    head: v.optional(headAccessSchema),
  }),
  pullEventSchema,
  copyResultSchema,
);

/** Agent to controller: what opens the bucket that was offered, newly asked for. */
export const bucketAccess = method(v.object({ offer: idSchema }), v.never(), v.object({ access: storeAccessSchema }));
