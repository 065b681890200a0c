import { Packr, Unpackr } from 'msgpackr';
import type * as v from 'valibot';
import { safeParse } from 'valibot';
import { TowError } from '../base/errors.ts';

/** msgpack without msgpackr's extensions: maps are plain objects, nothing is a record, 64-bit integers are numbers. */
const options = {
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: 'number',
  moreTypes: false,
  bundleStrings: false,
} as const;
const packr = new Packr(options);
const unpackr = new Unpackr(options);

/** The msgpack bytes of a message; the memory is the caller's own. */
export function encodeMessage(message: unknown): Buffer {
  return Buffer.from(packr.pack(message));
}

/**
 * Bytes of a peer to a typed message: decoded, then checked against the schema. Throws `bad-message`. Binary fields
 * alias `bytes`; schemas copy what they keep.
 */
export function decodeMessage<S extends v.GenericSchema>(schema: S, bytes: Uint8Array, what: string): v.InferOutput<S> {
  let decoded: unknown;
  try {
    decoded = unpackr.unpack(bytes);
  } catch (error) {
    throw new TowError('bad-message', `${what} cannot be decoded`, { cause: error });
  }
  return parseMessage(schema, decoded, what);
}

/** Checks a decoded value against a schema. Throws `bad-message` with the first issue and where it is. */
export function parseMessage<S extends v.GenericSchema>(schema: S, value: unknown, what: string): v.InferOutput<S> {
  const result = safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = issue.path?.map((item) => String(item.key)).join('.') ?? '';
  throw new TowError(
    'bad-message',
    `${what} is malformed${where === '' ? '' : ` at ${where}`}: ${issue.message.slice(0, 200)}`,
  );
}
