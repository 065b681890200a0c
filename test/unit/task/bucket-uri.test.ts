import { describe, expect, test } from 'vitest';
import { bucketNameProblem, isUri, parseBucketUri } from '../../../controller/task/bucket-uri.ts';
import type { StoreKind } from '../../../controller/task/task.ts';

describe('parseBucketUri', () => {
  test.each([
    ['s3://my-bucket', { store: 's3', region: undefined, bucket: 'my-bucket', prefix: '' }],
    ['S3://my-bucket/', { store: 's3', region: undefined, bucket: 'my-bucket', prefix: '' }],
    ['gs://my_bucket/a/b/', { store: 'gcs', region: undefined, bucket: 'my_bucket', prefix: 'a/b' }],
    ['r2://bucket/a b', { store: 'r2', region: undefined, bucket: 'bucket', prefix: 'a b' }],
    ['cos://us-east/bucket/a', { store: 'ibm', region: 'us-east', bucket: 'bucket', prefix: 'a' }],
  ])('%s', (text, expected) => {
    expect(isUri(text)).toBe(true);
    expect(parseBucketUri(text)).toEqual(expected);
  });

  test.each([
    ['oci://bucket', 'there are no oci:// buckets here'],
    ['https://x.blob.core.windows.net/c', 'there are no https:// buckets here'],
    ['constructor://bucket', 'there are no constructor:// buckets here'],
    ['s3://', 'names no bucket'],
    ['s3:///x', 'names no bucket'],
    ['cos:///bucket', 'names no region'],
    ['cos://us-east', 'names no bucket'],
    ['s3://bucket/a/../b', '. or ..'],
    ['s3://bucket/a\nb', 'control character'],
    ['s3://Bucket', 'has the character "B"'],
    ['s3://a_b_c', 'has the character "_"'],
    ['s3://-abc', 'begins or ends with a dot or hyphen'],
  ])('%j is refused', (text, message) => {
    expect(parseBucketUri(text)).toMatchObject({ message: expect.stringContaining(message), hint: expect.any(String) });
  });

  test.each(['~/x', '/x', 'x', 'c:/x', './s3://x', '1s://x'])('%s is no URI', (text) => {
    expect(isUri(text)).toBe(false);
  });
});

const names: readonly (readonly [StoreKind, string, boolean])[] = [
  ['s3', 'abc', true],
  ['s3', 'ab', false],
  ['s3', 'a'.repeat(63), true],
  ['s3', 'a'.repeat(64), false],
  ['s3', 'a.b-c', true],
  ['s3', 'a..b', false],
  ['s3', '-abc', false],
  ['s3', 'abc.', false],
  ['s3', 'a_b', false],
  ['s3', '1.2.3.4', false],
  ['s3', 'xn--abc', false],
  ['s3', 'abc-s3alias', false],
  ['s3', 'abc--ol-s3', false],
  ['r2', 'A-b', false],
  ['local', 'my-data', true],
  ['gcs', 'a_b', true],
  ['gcs', 'goog-x', false],
  ['gcs', 'my-google', false],
  ['gcs', 'my-g00gle', false],
  ['gcs', 'a.-b', false],
  ['gcs', `${'a'.repeat(63)}.b`, true],
  ['gcs', `${'a'.repeat(64)}.b`, false],
  ['gcs', '1.2.3.4', false],
  ['s3', 'Abc', false],
  ['s3', 'a.b', true],
  ['s3', 'abc-', false],
  ['s3', '.abc', false],
  ['r2', 'a'.repeat(64), false],
  ['local', 'ab', false],
  ['local', 'a/b', false],
  ['local', '...', false],
  ['gcs', 'ab', false],
  ['gcs', `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(30)}`, true],
  ['gcs', `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(31)}`, false],
  ['gcs', 'a..b', false],
  ['gcs', 'a-.b', false],
  ['gcs', 'my-go0gle', false],
  ['gcs', 'my-g0ogle', false],
  ['gcs', 'Abc', false],
  ['gcs', '_abc', false],
  ['ibm', 'ab', false],
  ['ibm', 'a'.repeat(64), false],
  ['ibm', 'a_b', false],
  ['ibm', 'a..b', false],
  ['ibm', '1.2.3.4', false],
  ['ibm', 'xn--abc', false],
  ['ibm', 'a-b.c', true],
  ['ibm', 'a--b', false],
  ['ibm', 'a.-b', false],
  ['ibm', 'a-.b', false],
];

test.each(names)('%s: the name %s is right: %s', (store, name, right) => {
  const problem = bucketNameProblem(name, store);
  expect(problem === undefined).toBe(right);
  // It may hold a secret.
  if (problem !== undefined) expect(`${problem.message}${problem.hint}`).not.toContain(name);
});
