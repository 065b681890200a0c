import * as v from 'valibot';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
const secret = v.pipe(v.string(), v.minLength(1), v.maxLength(16_384));
const url = v.pipe(v.string(), v.maxLength(1024), v.regex(/^https?:\/\//));
/** Milliseconds since 1970 after which they are of no use. */
const expiresAt = v.optional(v.pipe(v.number(), v.safeInteger()));

/** How to prove to a service who one is. `node`: as the node's own files and variables say; `none`: not at all, for public buckets. */
const node = v.object({ type: v.literal('node') });
const none = v.object({ type: v.literal('none') });

const s3Keys = v.object({
  type: v.literal('keys'),
  accessKeyId: secret,
  secretAccessKey: secret,
  sessionToken: v.optional(secret),
  expiresAt,
});
const gcsToken = v.object({ type: v.literal('token'), token: secret, expiresAt });

/** A bucket, where it is, and what opens it. Memory only: it is never written to a disk, a log or an error. */
export const storeAccessSchema = v.variant('service', [
  v.object({
    service: v.literal('s3'),
    /** Whose service: AWS, Cloudflare R2, IBM COS, or another that speaks S3. */
    provider: v.picklist(['aws', 'r2', 'ibm', 'other']),
    bucket: text,
    region: text,
    /** Undefined: AWS's own. */
    endpoint: v.optional(url),
    credentials: v.variant('type', [s3Keys, node, none]),
  }),
  v.object({
    service: v.literal('gcs'),
    bucket: text,
    /** For making buckets. */
    project: v.optional(text),
    endpoint: v.optional(url),
    credentials: v.variant('type', [gcsToken, node, none]),
  }),
  /** Under the controller, which serves it over the link. */
  v.object({ service: v.literal('local'), bucket: text }),
]);
export type StoreAccess = v.InferOutput<typeof storeAccessSchema>;
