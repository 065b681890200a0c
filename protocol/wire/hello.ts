import * as v from 'valibot';
import { idSchema, latin1 } from './schema.ts';

export const nonceBytes = 32;
const macBytes = 32;

const exactBytes = (length: number) => v.pipe(latin1(length), v.length(length));
const versionNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(1_000_000));

/**
 * First message of each side; the one that dialled speaks first and names its key. Covered byte for byte by both proofs.
 * Every later version must be able to read it: fields are only added.
 */
const helloSchema = v.object({
  type: v.literal('hello'),
  version: versionNumber,
  minVersion: versionNumber,
  capabilities: v.pipe(v.array(idSchema), v.maxLength(64)),
  nonce: exactBytes(nonceBytes),
  keyId: v.optional(idSchema),
});
export type Hello = v.InferOutput<typeof helloSchema>;

/** Shows that a side knows the secret. */
const proofSchema = v.object({ type: v.literal('proof'), mac: exactBytes(macBytes) });

/** After the proofs: which build the peer runs; the MAC covers it too. */
const welcomeSchema = v.object({ type: v.literal('welcome'), build: idSchema, mac: exactBytes(macBytes) });

/** Why there will be no link: all that a peer is told before it has proved who it is. */
export const refusalCodes = ['version-mismatch', 'unauthenticated', 'bad-message', 'link-lost'] as const;

/** Instead of any of the above. */
const refusedSchema = v.object({
  type: v.literal('refused'),
  code: v.fallback(v.picklist(refusalCodes), 'link-lost'),
});

export const handshakeSchema = v.variant('type', [helloSchema, proofSchema, welcomeSchema, refusedSchema]);
export type HandshakeMessage = v.InferOutput<typeof handshakeSchema>;
