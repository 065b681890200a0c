import * as v from 'valibot';
import { method } from './method.ts';
import { countSchema, textSchema } from './schema.ts';

/** What a node says of itself. */
export const nodeInfoSchema = v.object({
  hostname: textSchema,
  machineId: textSchema,
  home: textSchema,
  /** Address other nodes of the cluster may reach it by. */
  address: textSchema,
  platform: textSchema,
  arch: textSchema,
  nodeVersion: textSchema,
  bootId: textSchema,
  supervision: v.picklist(['systemd', 'cron', 'none']),
  /** Whether the native file was loaded: without it times are set to the µs and barriers are slower. */
  libc: v.boolean(),
  gpus: countSchema,
});
export type NodeInfo = v.InferOutput<typeof nodeInfoSchema>;

const nothing = v.object({});

export const nodeInfo = method(nothing, v.never(), nodeInfoSchema);

/** Ends the agent process after replying; jobs go on. Used to upgrade it and by `tow down`. */
export const nodeStop = method(v.object({ purge: v.boolean() }), v.never(), nothing);
