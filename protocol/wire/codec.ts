import { Packr, Unpackr } from 'msgpackr';
import type * as v from 'valibot';
import { safeParse } from 'valibot';
import { TowError } from '../base/errors.ts';
import { checkMsgpack } from './check-msgpack.ts';

/** msgpack without msgpackr's extensions: maps are plain objects, nothing is a record; what is undefined is left out. */
const packing = { useRecords: false, moreTypes: false, variableMapSize: true, skipValues: [undefined] };
const packr = new Packr(packing);
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number', moreTypes: false });

/** The msgpack bytes of a message; the memory is the caller's own. Throws `internal` on what msgpack has no word for. */
export function encodeMessage(message: unknown): Buffer {
  try {
    return Buffer.from(packr.pack(message));
  } catch (error) {
    throw new TowError('internal', 'a message cannot be encoded', { cause: error });
  }
}

/**
 * Bytes of a peer to a typed message: looked over, decoded, then checked against the schema. Throws `bad-message` or
 * `limit-exceeded`. Binary fields alias `bytes`; schemas copy what they keep.
 */
export function decodeMessage<S extends v.GenericSchema>(schema: S, bytes: Uint8Array, what: string): v.InferOutput<S> {
  checkMsgpack(bytes);
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
  const result = parse(schema, value, what);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = issue.path?.map((item) => String(item.key)).join('.') ?? '';
  throw new TowError(
    'bad-message',
    `${what} is malformed${where === '' ? '' : ` at ${where.slice(0, 100)}`}: ${issue.message.slice(0, 200)}`,
  );
}

/** Transformations of a schema (paths, say) throw of their own. */
function parse<S extends v.GenericSchema>(schema: S, value: unknown, what: string): v.SafeParseResult<S> {
  try {
    return safeParse(schema, value, { abortEarly: true });
  } catch (error) {
    if (error instanceof TowError) throw error;
    throw new TowError('bad-message', `${what} is malformed`, { cause: error });
  }
}
