import type { StoreTraits } from '../store-traits.ts';

const gib = 2 ** 30;

/** Google's JSON API, as Towline uses it. */
export const gcsTraits: StoreTraits = {
  // Google takes more at once, but no Uint8Array holds it.
  putBytes: 5 * gib,
  minPartBytes: 1,
  maxPartBytes: 5 * gib,
  // Ours: three rounds of putting 32 together.
  maxParts: 10_000,
  partMultiple: 1,
  equalParts: false,
  partCopy: false,
  conditions: ['absent', 'version'],
  copyBytes: 5 * 1024 * gib,
  versionIsMd5: false,
};
