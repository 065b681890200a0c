/** Buckets under the controller, as it serves them to nodes that they were opened for. See store/object-store.ts. */
import * as v from 'valibot';
import { limits } from './limits.ts';
import { method } from './method.ts';
import { countSchema, idSchema, textSchema } from './schema.ts';

const bucketSchema = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/));
const prefixSchema = v.pipe(v.string(), v.maxBytes(limits.keyBytes));
const keySchema = v.pipe(v.string(), v.minBytes(1), v.maxBytes(limits.keyBytes));
const versionSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const shortText = v.pipe(v.string(), v.maxBytes(limits.keyBytes));
const metadataSchema = v.pipe(
  v.array(v.tuple([v.pipe(v.string(), v.minLength(1)), v.string()])),
  v.check(
    (pairs) => pairs.reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0) <= limits.metadataBytes,
    `at most ${limits.metadataBytes} bytes`,
  ),
);

const stat = v.object({ key: keySchema, size: countSchema, version: versionSchema, modifiedMs: countSchema });

export const storeHeadSchema = v.object({
  ...stat.entries,
  contentType: v.optional(shortText),
  metadata: metadataSchema,
  md5: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
});
export type StoreHead = v.InferOutput<typeof storeHeadSchema>;

const object = v.object({ bucket: bucketSchema, key: keySchema });
const written = v.object({
  ...object.entries,
  contentType: v.optional(shortText),
  metadata: metadataSchema,
  condition: v.optional(
    v.variant('type', [
      v.object({ type: v.literal('absent') }),
      v.object({ type: v.literal('version'), version: versionSchema }),
    ]),
  ),
});
export type StoreWritten = v.InferOutput<typeof written>;

export const storeList = method(
  v.object({
    bucket: bucketSchema,
    prefix: prefixSchema,
    /** Sums up by '/'. */
    delimited: v.boolean(),
    cursor: v.optional(v.pipe(v.string(), v.maxLength(2 * limits.keyBytes))),
    limit: v.pipe(countSchema, v.minValue(1), v.maxValue(1000)),
  }),
  v.never(),
  v.object({
    objects: v.pipe(v.array(stat), v.maxLength(1000)),
    prefixes: v.pipe(v.array(keySchema), v.maxLength(1000)),
    next: v.optional(v.pipe(v.string(), v.maxLength(2 * limits.keyBytes))),
  }),
);

export const storeHead = method(object, v.never(), v.object({ head: v.optional(storeHeadSchema) }));

/** One event, the head; then the bytes from `start` up to `end`, or to the object's own. */
export const storeGet = method(
  v.object({
    ...object.entries,
    start: countSchema,
    end: v.optional(countSchema),
    ifVersion: v.optional(versionSchema),
  }),
  storeHeadSchema,
  v.object({}),
  true,
);

/** The payload is the object; none, an empty one. */
export const storePut = method(written, v.never(), stat, false, true);

export const storeStartUpload = method(written, v.never(), v.object({ upload: idSchema }));

const upload = v.object({ bucket: bucketSchema, upload: idSchema });
const part = v.object({
  ...upload.entries,
  /** From 1. */
  number: v.pipe(countSchema, v.minValue(1)),
});

/** The payload is the piece at `offset` of a part of `size` bytes. */
export const storePart = method(
  v.object({ ...part.entries, size: countSchema, offset: countSchema }),
  v.never(),
  v.object({}),
  false,
  true,
);

export const storeCopyPart = method(
  v.object({ ...part.entries, from: keySchema, start: countSchema, end: countSchema, ifVersion: versionSchema }),
  v.never(),
  v.object({}),
);

export const storeComplete = method(upload, v.never(), stat);

export const storeAbort = method(upload, v.never(), v.object({}));

export const storeCopy = method(
  v.object({
    bucket: bucketSchema,
    from: keySchema,
    to: keySchema,
    ifVersion: v.optional(versionSchema),
    replace: v.optional(v.object({ contentType: v.optional(shortText), metadata: metadataSchema })),
  }),
  v.never(),
  stat,
);

export const storeDelete = method(
  v.object({
    bucket: bucketSchema,
    keys: v.pipe(
      v.array(keySchema),
      v.maxLength(1000),
      v.check(
        (keys) => keys.reduce((sum, key) => sum + Buffer.byteLength(key), 0) <= limits.pageKeyBytes,
        `at most ${limits.pageKeyBytes} bytes`,
      ),
    ),
  }),
  v.never(),
  v.object({ failures: v.pipe(v.array(v.object({ key: keySchema, message: textSchema })), v.maxLength(1000)) }),
);
