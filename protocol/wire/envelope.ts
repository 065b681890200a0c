import * as v from 'valibot';
import { limits } from './limits.ts';
import { countSchema, errorBodySchema } from './schema.ts';

/** A caller's ids rise from 1; a link that has used the last id is closed. */
export const lastCallId = 0xffff_ffff;
const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(lastCallId));

/** Control messages of an authenticated link. `body`, `params` and `result` are checked by their method's schemas next. */
export const envelopeSchema = v.variant('type', [
  v.object({
    type: v.literal('call'),
    id,
    method: v.pipe(v.string(), v.maxLength(64)),
    params: v.unknown(),
    /** Bytes of data the caller takes before it has given more credit. */
    window: v.pipe(countSchema, v.maxValue(limits.streamWindowBytes)),
    /** Bytes that go with the call: one payload frame of this id follows. */
    payload: v.optional(v.pipe(countSchema, v.minValue(1), v.maxValue(limits.callPayloadBytes))),
  }),
  v.object({ type: v.literal('event'), id, body: v.unknown() }),
  v.object({ type: v.literal('done'), id, result: v.unknown() }),
  v.object({ type: v.literal('failed'), id, error: errorBodySchema }),
  v.object({ type: v.literal('cancel'), id }),
  /** Never more than what was taken of the window, which one frame may have overdrawn. */
  v.object({ type: v.literal('credit'), id, bytes: v.pipe(countSchema, v.maxValue(2 * limits.streamWindowBytes)) }),
  v.object({ type: v.literal('ping'), stamp: countSchema }),
  v.object({ type: v.literal('pong'), stamp: countSchema }),
  /** The last message: why the sender closes the link. */
  v.object({ type: v.literal('bye'), error: errorBodySchema }),
]);
export type Envelope = v.InferOutput<typeof envelopeSchema>;
