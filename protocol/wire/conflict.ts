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

const ids = v.object({ ids: v.pipe(v.array(idSchema), v.maxLength(4096)) });

export const conflictsList = method(v.object({}), v.never(), v.object({ versions: v.array(keptVersionSchema) }));
/** Puts kept versions back where they were; what lies there now is kept in their stead. */
export const conflictsRestore = method(ids, v.never(), v.object({ restored: countSchema }));
/** Deletes kept versions for good. */
export const conflictsPrune = method(ids, v.never(), v.object({ pruned: countSchema, bytes: countSchema }));
