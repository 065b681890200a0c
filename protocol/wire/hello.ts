import * as v from 'valibot';
import { errorBodySchema, idSchema, latin1 } from './schema.ts';

export const nonceBytes = 32;
export const proofBytes = 32;

const bytes32 = v.pipe(latin1(32), v.length(32));
const versionNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(1_000_000));

/** First message of each side; the one that dialled speaks first and names its key. Covered byte for byte by both proofs. */
export const helloSchema = v.object({
  type: v.literal('hello'),
  version: versionNumber,
  minVersion: versionNumber,
  capabilities: v.pipe(v.array(idSchema), v.maxLength(64)),
  nonce: bytes32,
  keyId: v.optional(idSchema),
});
export type Hello = v.InferOutput<typeof helloSchema>;

/** Shows that a side knows the secret: HMAC-SHA256 over its role and both hellos. */
export const proofSchema = v.object({ type: v.literal('proof'), mac: bytes32 });

/** After the proofs: which build the peer runs. */
export const welcomeSchema = v.object({ type: v.literal('welcome'), build: idSchema });

/** Instead of any of the above: why there will be no link. */
export const refusedSchema = v.object({ type: v.literal('refused'), error: errorBodySchema });

export const handshakeSchema = v.variant('type', [helloSchema, proofSchema, welcomeSchema, refusedSchema]);
export type HandshakeMessage = v.InferOutput<typeof handshakeSchema>;
