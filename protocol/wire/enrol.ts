import * as v from 'valibot';
import { countSchema, errorBodySchema, idSchema, textSchema } from './schema.ts';

/**
 * What is said over ssh's stdin and stdout, once, before there is a link: JSON, one value each way. The reply is the
 * line that begins with `enrolReplyMarker`, since login scripts may print above it.
 */

/** What makes a node a controller's own, as it lies 0600 on the node. */
export const identitySchema = v.object({
  keyId: idSchema,
  /** 32 random bytes. */
  secret: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** `name` is for people: user@host of the controller. */
  controller: v.object({ id: idSchema, name: textSchema }),
  cluster: idSchema,
  node: idSchema,
  /** Given to nodes that share their machine with others; see `machineKey`. */
  machine: v.optional(textSchema),
  /** Where the agent finds its controller: the newest socket in its run directory, or one fixed socket. */
  link: v.variant('kind', [
    v.object({ kind: v.literal('run-dir') }),
    v.object({ kind: v.literal('unix'), path: v.pipe(v.string(), v.startsWith('/'), v.maxLength(107)) }),
  ]),
});
export type NodeIdentity = v.InferOutput<typeof identitySchema>;

export const enrolRequestSchema = v.variant('type', [
  v.object({
    type: v.literal('enrol'),
    identity: identitySchema,
    /** Take the account over from another controller or cluster. */
    takeOver: v.boolean(),
    /** Install supervision. Not wanted for nodes that live inside another machine's account. */
    supervise: v.boolean(),
  }),
  /** The end of an enrolment. Does nothing if the node has another identity by now. */
  v.object({
    type: v.literal('leave'),
    keyId: idSchema,
    /** Also remove everything Towline keeps on the node (never a root's contents). */
    purge: v.boolean(),
  }),
]);
export type EnrolRequest = v.InferOutput<typeof enrolRequestSchema>;

export const supervisionSchema = v.picklist(['systemd', 'cron', 'none']);
export type Supervision = v.InferOutput<typeof supervisionSchema>;

export const enrolReplySchema = v.variant('status', [
  v.object({
    status: v.literal('enrolled'),
    /** Key of the machine's state directory under `~/.towline/agent`. */
    machine: idSchema,
    supervision: supervisionSchema,
    /** Why supervision is not better than it is; '' if it is. */
    note: textSchema,
  }),
  v.object({ status: v.literal('left'), removed: v.boolean(), endedPid: v.optional(countSchema) }),
  v.object({ status: v.literal('refused'), error: errorBodySchema }),
]);
export type EnrolReply = v.InferOutput<typeof enrolReplySchema>;

export const enrolReplyMarker = 'towline-enrol ';

/** The line a bridge writes before the first byte of the link. */
export const bridgeMarker = 'towline-bridge\n';
