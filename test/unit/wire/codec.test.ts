import * as v from 'valibot';
import { expect, test } from 'vitest';
import { decodeMessage, encodeMessage, parseMessage } from '../../../protocol/wire/codec.ts';
import { rootPathSchema, wireBytes } from '../../../protocol/wire/schema.ts';

const anything = v.unknown();

test('plain data comes back as it was; what is undefined is left out', () => {
  const message = {
    text: 'hé',
    none: null,
    yes: true,
    big: 2 ** 53 - 1,
    small: -5,
    part: 0.5,
    list: [1, [2]],
    map: {},
  };
  expect(decodeMessage(anything, encodeMessage({ ...message, absent: undefined }), 'it')).toEqual(message);
});

test('binary comes back as bytes', () => {
  const decoded = decodeMessage(
    v.object({ bytes: v.instance(Uint8Array) }),
    encodeMessage({ bytes: Buffer.of(0, 255) }),
    'it',
  );
  expect(Buffer.from(decoded.bytes).equals(Buffer.of(0, 255))).toBe(true);
});

test.each([
  ['an extension', [0xd6, 0xff, 0, 0, 0, 1]],
  ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 65, 1]],
  ['0xC1', [0xc1]],
  ['an array of more than there is', [0xdd, 0x01, 0xff, 0xff, 0xff]],
  ['a number as key', [0x81, 1, 1]],
  ['a second value', [1, 1]],
  ['nothing', []],
])('%s is refused before it is decoded, whatever the schema says', (_what, bytes) => {
  expect(() => decodeMessage(anything, Buffer.from(bytes), 'it')).toThrow(
    expect.objectContaining({ code: 'bad-message' }),
  );
});

test('what a schema refuses is said with its place', () => {
  const schema = v.object({ a: v.array(v.object({ b: v.number() })) });
  expect(() => parseMessage(schema, { a: [{ b: 1 }, { b: 'x' }] }, 'the thing')).toThrow(
    /^the thing is malformed at a\.1\.b: /,
  );
});

test('a path that leaves its root is a bad message', () => {
  for (const path of ['../x', '/x', 'a//b', 'a/./b', 'a\0b', 'x'.repeat(256)])
    expect(() => parseMessage(rootPathSchema, wireBytes(path), 'a path')).toThrow(
      expect.objectContaining({ code: 'bad-message' }),
    );
});
