import * as v from 'valibot';
import { errorCodes } from '../base/errors.ts';
import { parseRootPath } from '../base/root-path.ts';
import { asDigest, digestBytes } from '../chunk/digest.ts';
import { limits } from './limits.ts';

/** Building blocks of message schemas. What a sender writes is `InferInput`, what a receiver gets is `InferOutput`. */

/** Bytes on the wire (msgpack bin), a latin1-held string once parsed. Copies: decoded binary aliases its frame. */
export function latin1(maxBytes: number) {
  return v.pipe(
    v.instance(Uint8Array),
    v.check((bytes) => bytes.byteLength <= maxBytes, `at most ${maxBytes} bytes`),
    v.transform((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')),
  );
}

/** Sender's side of `latin1`. */
export function wireBytes(text: string): Buffer<ArrayBuffer> {
  return Buffer.from(text, 'latin1');
}

/** A path inside a root, checked to stay in it. */
export const rootPathSchema = v.pipe(latin1(limits.pathBytes), v.transform(parseRootPath));

export const digestSchema = v.pipe(latin1(digestBytes), v.length(digestBytes), v.transform(asDigest));

/** Short text that people may see. */
export const textSchema = v.pipe(v.string(), v.maxLength(16_384));

/** A name that becomes part of a file name or a key: no separators, no dots in front. */
export const idSchema = v.pipe(v.string(), v.regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/));

/** Of keys in a bucket, without a slash at its end; '' is the whole bucket. */
export const storePrefixSchema = v.pipe(v.string(), v.maxLength(1024));

export const countSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const errorBodySchema = v.object({
  code: v.fallback(v.picklist(errorCodes), 'internal'),
  message: textSchema,
  hint: v.optional(textSchema),
  causes: v.pipe(v.array(textSchema), v.maxLength(16)),
  retryable: v.boolean(),
});
export type ErrorBody = v.InferOutput<typeof errorBodySchema>;

export const problemSchema = v.object({
  path: rootPathSchema,
  code: v.fallback(v.picklist(errorCodes), 'internal'),
  message: textSchema,
});
