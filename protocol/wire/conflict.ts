import * as v from 'valibot';
import { limits } from './limits.ts';
import { method } from './method.ts';
import { conflictReasons } from './pull.ts';
import { countSchema, idSchema, latin1, rootPathSchema } from './schema.ts';

/** A kept version, as `tow conflicts ls` shows it. */
export const keptVersionSchema = v.object({
  id: idSchema,
  dest: latin1(limits.pathBytes),
  path: rootPathSchema,
  reason: v.picklist(conflictReasons),
  /** Milliseconds since the epoch. */
  keptAt: countSchema,
  bytes: countSchema,
  /** Where it lies on the node. */
  storedAt: latin1(limits.pathBytes),
});
export type KeptVersion = v.InferOutput<typeof keptVersionSchema>;

/** Ids of one call. */
export const maxKeptIds = 1000;

const ids = v.object({ ids: v.pipe(v.array(idSchema), v.maxLength(maxKeptIds)) });

/** Kept versions with ids behind `after`, ascending by id; `more` if there are others behind the last. */
export const conflictsList = method(
  v.object({ after: v.optional(idSchema) }),
  v.never(),
  v.object({ versions: v.pipe(v.array(keptVersionSchema), v.maxLength(limits.keptVersions)), more: v.boolean() }),
);
/** Puts kept versions back where they were; what lies there now is kept in their stead. */
export const conflictsRestore = method(ids, v.never(), v.object({ restored: countSchema }));
/** Deletes kept versions for good. */
export const conflictsPrune = method(ids, v.never(), v.object({ pruned: countSchema, bytes: countSchema }));
