import * as v from 'valibot';
import { limits } from './limits.ts';
import { method } from './method.ts';
import { countSchema, idSchema, textSchema } from './schema.ts';

/** One script on one node: a task's setup, or one rank of its run. */
export const scriptKinds = ['setup', 'run'] as const;

/** How a script stands on a node. `lost`: its runner is gone and left no exit code (killed -9, or the node rebooted). */
export const scriptStateSchema = v.variant('state', [
  v.object({ state: v.literal('running'), pid: countSchema }),
  v.object({ state: v.literal('exited'), pid: countSchema, code: countSchema }),
  v.object({ state: v.literal('lost'), pid: countSchema }),
]);
export type ScriptState = v.InferOutput<typeof scriptStateSchema>;

const script = v.object({ job: idSchema, kind: v.picklist(scriptKinds) });

/** A job was asked for: a script of it will be started after so many pulls. Lets the node make ready; nothing depends on it. */
export const jobExpect = method(v.object({ pulls: countSchema }), v.never(), v.object({}));

/**
 * Starts a script under a runner of its own. Idempotent: a script of this job and kind that was started before is not
 * started again, its state is returned. The environment is kept 0600 only while the script lives.
 */
export const jobStart = method(
  v.object({
    ...script.entries,
    script: v.pipe(v.string(), v.maxLength(limits.scriptBytes)),
    env: v.pipe(v.array(v.tuple([v.string(), v.string()])), v.maxLength(4096)),
  }),
  v.never(),
  scriptStateSchema,
);

/** Returns the state, once it is not `running` any more if `wait`. */
export const jobState = method(v.object({ ...script.entries, wait: v.boolean() }), v.never(), scriptStateSchema);

/**
 * Streams a script's output (stdout and stderr as they came, one file) from a byte offset; with `follow` until the
 * script has ended. `tail` (lines) moves the start forward when it is not 0.
 */
export const jobLog = method(
  v.object({ ...script.entries, offset: countSchema, tail: countSchema, follow: v.boolean() }),
  v.never(),
  v.object({ end: countSchema }),
  true,
);

/** SIGTERM to the script's process group, SIGKILL after `graceMs`. Returns once it has ended. */
export const jobCancel = method(v.object({ ...script.entries, graceMs: countSchema }), v.never(), scriptStateSchema);

/** Every script the node knows of, newest last. */
export const jobList = method(
  v.object({}),
  v.never(),
  v.object({
    scripts: v.array(
      v.object({ ...script.entries, startedAt: countSchema, status: scriptStateSchema, note: v.optional(textSchema) }),
    ),
  }),
);
