import type { StoreTraits } from '../store-traits.ts';

/** Whose S3 it is: `other` is any endpoint that speaks it. */
export type S3ProviderName = 'aws' | 'r2' | 'ibm' | 'other';

/** In what those who speak S3 differ, as data. */
export interface S3Provider {
  readonly traits: StoreTraits;
  /** Of its URIs. */
  readonly scheme: string;
  /** The bucket goes into the path, not into the host's name. */
  readonly pathStyle: boolean;
  /** Version of ListObjects, and whether it can be asked to encode keys that XML cannot hold. */
  readonly listVersion: 1 | 2;
  readonly encodesKeys: boolean;
  /** Whether a copy keeps the condition on its source. Ceph's gateway does not. */
  readonly checksCopySource: boolean;
  /** Whether it takes and gives the SDK's checksums; else MD5 guards what is written. */
  readonly checksums: boolean;
}

const mib = 1 << 20;
const gib = 2 ** 30;

const traits: StoreTraits = {
  putBytes: 5 * gib,
  minPartBytes: 5 * mib,
  maxPartBytes: 5 * gib,
  maxParts: 10_000,
  partMultiple: 1,
  equalParts: false,
  partCopy: true,
  conditions: ['absent', 'version'],
  copyBytes: 5 * gib,
  versionIsMd5: true,
};

/** AWS, Cloudflare (docs: R2 "Upload objects", S3 API compatibility), IBM ("Compatibility S3 API"), and the least common denominator. */
export const s3Providers: Readonly<Record<S3ProviderName, S3Provider>> = {
  aws: {
    traits,
    scheme: 's3',
    pathStyle: false,
    listVersion: 2,
    encodesKeys: true,
    checksums: true,
    checksCopySource: true,
  },
  r2: {
    traits: { ...traits, equalParts: true },
    scheme: 'r2',

    pathStyle: true,
    listVersion: 2,
    encodesKeys: true,
    checksums: false,
    checksCopySource: false,
  },
  ibm: {
    traits: { ...traits, conditions: [] },
    scheme: 'cos',

    pathStyle: true,
    listVersion: 1,
    encodesKeys: false,
    checksums: false,
    checksCopySource: false,
  },
  other: {
    traits: { ...traits, conditions: [] },
    scheme: 's3',
    pathStyle: true,
    listVersion: 2,
    encodesKeys: true,
    checksums: false,
    checksCopySource: false,
  },
};
