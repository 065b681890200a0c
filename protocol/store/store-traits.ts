/** In what services differ, as data. Bytes unless named otherwise. */
export interface StoreTraits {
  /** Largest object of one `put`. */
  readonly putBytes: number;
  /** Smallest and largest part of an upload but for the last, which may be smaller; and how many there may be. */
  readonly minPartBytes: number;
  readonly maxPartBytes: number;
  readonly maxParts: number;
  /** Parts must be multiples of this. */
  readonly partMultiple: number;
  /** Whether all parts but the last must have one size. */
  readonly equalParts: boolean;
  readonly partCopy: boolean;
  /** Which conditions `put` and `complete` keep. */
  readonly conditions: readonly ('absent' | 'version')[];
  /** Largest object that `copy` takes. */
  readonly copyBytes: number;
  /** Whether the version of an object that was put at once is the MD5 of its bytes. */
  readonly versionIsMd5: boolean;
}
