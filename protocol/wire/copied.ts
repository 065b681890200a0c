/** What the head of a cluster serves to workers of what it has copied from a bucket: links between nodes carry nothing else. */
import * as v from 'valibot';
import { limits } from './limits.ts';
import { method } from './method.ts';
import { countSchema, idSchema, latin1, rootPathSchema } from './schema.ts';

const versionSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
const port = v.pipe(countSchema, v.minValue(1), v.maxValue(65_535));
/** An address of IPv4 or IPv6, or a name. */
const address = v.pipe(v.string(), v.regex(/^[0-9A-Za-z.:%_-]{1,255}$/));
const pem = v.pipe(v.string(), v.maxLength(8192), v.regex(/^-----BEGIN [A-Z ]{1,40}-----\n/));
const secret = v.pipe(latin1(32), v.length(32));

/** What proves both ends of links to a head. Made for one copy, held in memory only. */
const keySchema = v.object({ keyId: idSchema, secret, certificate: pem });

/** Where a worker finds the head, and how each knows the other. */
export const headAccessSchema = v.object({ ...keySchema.entries, address, port });
export type HeadAccess = v.InferOutput<typeof headAccessSchema>;

/**
 * Controller to the head: serve what was copied to `dest` from `source`, over `wss://` at the node's own address, until the
 * call is cancelled. One event, when it listens.
 */
export const copyServe = method(
  v.object({
    dest: latin1(limits.pathBytes),
    /** As `copySource` names it: nothing that was copied from elsewhere is served. */
    source: v.pipe(v.string(), v.maxLength(8192)),
    key: v.object({ ...keySchema.entries, privateKey: pem }),
  }),
  v.object({ address, port }),
  v.object({}),
);

/**
 * Worker to head: one event, then the bytes from `start` up to `end`, or the file's own. Rejects with `object-missing` when
 * the head does not have that version, as it copied it, at that path.
 */
export const copiedGet = method(
  v.object({ path: rootPathSchema, version: versionSchema, start: countSchema, end: v.optional(countSchema) }),
  v.object({
    size: countSchema,
    /** As `st_mode` has it. */
    mode: countSchema,
    mtimeSec: v.pipe(v.number(), v.safeInteger()),
    mtimeNsec: v.pipe(countSchema, v.maxValue(999_999_999)),
  }),
  v.object({}),
  true,
);

/** What a head serves to workers; they serve nothing to it. */
export const headMethods = { 'copied.get': copiedGet } as const;
export type HeadMethods = typeof headMethods;
