/** Sums over all bytes of an object, as services keep them beside it. */

/** Each with the bytes of its digest. */
const algorithms = { md5: 16, sha256: 32, sha1: 20, crc64nvme: 8, crc32c: 4, crc32: 4 } as const;

export type ChecksumAlgorithm = keyof typeof algorithms;

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Lower-case hex, the most significant byte first. */
  readonly hex: string;
}

/** From the Base64 that services give; undefined where it is no digest of that algorithm, as the sum of sums of an object in parts. */
export function checksumOfBase64(algorithm: ChecksumAlgorithm, base64: string | undefined): Checksum | undefined {
  if (base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const digest = Buffer.from(base64, 'base64');
  return digest.length === algorithms[algorithm] ? { algorithm, hex: digest.toString('hex') } : undefined;
}
