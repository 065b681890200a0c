import { hash } from 'node:crypto';

/**
 * A SHA-256 digest: 32 bytes held as a latin1 string, which V8 stores in one byte a character, compares with `===`
 * and keys maps by. Identity of a chunk is this digest and nothing else, so no peer or cache can pass wrong bytes.
 */
export type Digest = string & { readonly __brand: 'Digest' };

export const digestBytes = 32;

/** Stands in a chunk list for a run of zeros that the file does not store (a hole). Never the digest of any data. */
export const holeDigest: Digest = asDigest('\0'.repeat(digestBytes));

export function digestOf(bytes: Uint8Array | string): Digest {
  // Node calls latin1 'binary' here.
  return asDigest(hash('sha256', typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, 'binary'));
}

/** Takes 32 bytes from a peer as a digest. The caller has checked the length. */
export function asDigest(latin1: string): Digest {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one constructor of the brand
  return latin1 as Digest;
}

export function digestHex(digest: string): string {
  return Buffer.from(digest, 'latin1').toString('hex');
}
