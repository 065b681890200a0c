import { createHmac, timingSafeEqual } from 'node:crypto';
import { TowError } from '../base/errors.ts';
import { wireBytes } from '../wire/schema.ts';

/** What a MAC says, and who says it: one can never stand for another. */
const labels = {
  dialler: { proof: 'towline-1 dialler proof', build: 'towline-1 dialler build' },
  listener: { proof: 'towline-1 listener proof', build: 'towline-1 listener build' },
} as const;
export type Role = keyof typeof labels;

/** Both hellos as they crossed the wire: the dialler's, then the listener's. */
export type Transcript = readonly [dialler: Uint8Array, listener: Uint8Array];

/** Proves that `role` knows the secret and saw this transcript. */
export function proofMac(secret: Uint8Array, role: Role, transcript: Transcript): Buffer {
  return macOf(secret, [Buffer.from(labels[role].proof), ...transcript]);
}

/** The same of the build that `role` says it runs. */
export function buildMac(secret: Uint8Array, role: Role, transcript: Transcript, build: string): Buffer {
  return macOf(secret, [Buffer.from(labels[role].build), ...transcript, Buffer.from(build)]);
}

/** HMAC-SHA256 over the parts, each behind its length (u32 LE). */
function macOf(secret: Uint8Array, parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac('sha256', secret);
  for (const part of parts) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(part.length);
    mac.update(length).update(part);
  }
  return mac.digest();
}

/** Compares in constant time; throws `unauthenticated`. `mac` is latin1, as the schemas give it. */
export function checkMac(mac: string, expected: Buffer): void {
  if (!timingSafeEqual(wireBytes(mac), expected)) {
    throw new TowError('unauthenticated', 'the peer does not know the secret of this node', { hint: enrolHint });
  }
}

export const enrolHint = 'launch the cluster again: that enrols its nodes anew';
