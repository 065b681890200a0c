import type { StoreKind } from './task.ts';

/** A place in a bucket: `s3://bucket/prefix`, `cos://region/bucket/prefix`. */
export interface BucketUri {
  readonly store: StoreKind;
  /** Of IBM COS only. */
  readonly region: string | undefined;
  readonly bucket: string;
  /** Without slashes at its ends; '' is the whole bucket. */
  readonly prefix: string;
}

/** Why a text is no place in a bucket. */
export interface BadBucket {
  readonly message: string;
  readonly hint: string;
}

const stores: ReadonlyMap<string, StoreKind> = new Map([
  ['s3', 's3'],
  ['gs', 'gcs'],
  ['r2', 'r2'],
  ['cos', 'ibm'],
]);
const shapes = [...stores.keys()].map((scheme) => (scheme === 'cos' ? 'cos://region/bucket' : `${scheme}://bucket`));

/** Whether a text begins with a scheme (`s3://`), known or not. */
export function isUri(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text);
}

/** Parses what `isUri`. */
export function parseBucketUri(text: string): BucketUri | BadBucket {
  const scheme = text.slice(0, text.indexOf(':')).toLowerCase();
  const store = stores.get(scheme);
  if (store === undefined)
    return { message: `there are no ${scheme}:// buckets here`, hint: `use ${shapes.join(', ')}` };
  const words = text.slice(scheme.length + 3).split('/');
  const region = store === 'ibm' ? words.shift() : undefined;
  const [bucket = '', ...rest] = words;
  const prefix = rest.join('/').replace(/^\/+|\/+$/g, '');
  if (region === '') return { message: 'the URI names no region', hint: 'write cos://region/bucket' };
  if (bucket === '') return { message: 'the URI names no bucket', hint: `use ${shapes.join(', ')}` };
  if (/[\0-\x1f\x7f]/.test(prefix) || prefix.split('/').some((word) => word === '..' || word === '.')) {
    return {
      message: 'the prefix of the URI has a control character, . or ..',
      hint: 'write the prefix as the bucket has it',
    };
  }
  return bucketNameProblem(bucket, store) ?? { store, region, bucket, prefix };
}

export function showBucketUri({ store, region, bucket, prefix }: BucketUri): string {
  const scheme = [...stores].find(([, kind]) => kind === store)?.[0] ?? store;
  return `${scheme}://${[...(region === undefined ? [] : [region]), bucket, ...(prefix === '' ? [] : [prefix])].join('/')}`;
}

interface NameRule {
  readonly longest: number;
  readonly pattern: RegExp;
  readonly characters: string;
  readonly refused: readonly (readonly [RegExp, string])[];
}

const address = [/^\d+\.\d+\.\d+\.\d+$/, 'must not look like an IP address'] as const;
const dots = [/\.\./, 'must not have two dots in a row'] as const;
const dashes = [/\.-|-\./, 'must not have a dot beside a hyphen'] as const;
const lower = 'lowercase letters, digits, dots and hyphens, with a letter or digit at both ends';
const s3: NameRule = {
  longest: 63,
  pattern: /^[a-z0-9][-a-z0-9.]*[a-z0-9]$/,
  characters: lower,
  refused: [
    dots,
    address,
    [/^xn--/, 'must not begin with xn--'],
    [/-s3alias$|--ol-s3$/, 'has an ending that S3 keeps for itself'],
  ],
};
const rules: Readonly<Record<StoreKind, NameRule>> = {
  s3,
  r2: s3,
  local: s3,
  ibm: {
    longest: 63,
    pattern: s3.pattern,
    characters: lower,
    refused: [dots, [/--/, 'must not have two hyphens in a row'], dashes, address],
  },
  gcs: {
    longest: 222,
    pattern: /^[a-z0-9][-a-z0-9._]*[a-z0-9]$/,
    characters: `underscores, ${lower}`,
    refused: [
      dots,
      dashes,
      address,
      [/^goog|google|g00gle|go0gle|g0ogle/, 'must not contain google nor begin with goog'],
      [/[^.]{64}/, 'has a part of more than 63 characters between dots'],
    ],
  },
};

/** Why a store would refuse a bucket's name; undefined if it would not. Does not quote the name, which may hold a secret. */
export function bucketNameProblem(name: string, store: StoreKind): BadBucket | undefined {
  const rule = rules[store];
  const hint = `${store} takes 3 to ${rule.longest} characters: ${rule.characters}`;
  if (name.length < 3 || name.length > rule.longest)
    return { message: `the bucket's name has ${name.length} characters`, hint };
  if (!rule.pattern.test(name)) {
    // One character tells nobody a secret.
    const odd = name.match(/[^-a-z0-9.]/gu)?.find((one) => !rule.pattern.test(`a${one}a`));
    const why = odd === undefined ? 'begins or ends with a dot or hyphen' : `has the character ${JSON.stringify(odd)}`;
    return { message: `the bucket's name ${why}`, hint };
  }
  const refused = rule.refused.find(([pattern]) => pattern.test(name));
  return refused === undefined ? undefined : { message: `the bucket's name ${refused[1]}`, hint };
}
