import type { StoreTraits } from '../store-traits.ts';

/** Of buckets under the controller, wherever they are used. */
export const localTraits: StoreTraits = {
  putBytes: 16 << 20,
  minPartBytes: 1,
  maxPartBytes: 64 << 20,
  maxParts: 100_000,
  partMultiple: 1,
  equalParts: true,
  partCopy: true,
  conditions: ['absent', 'version'],
  copyBytes: Number.MAX_SAFE_INTEGER,
  versionIsMd5: false,
};
