import { expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { checkMsgpack } from '../../../protocol/wire/check-msgpack.ts';
import { limits } from '../../../protocol/wire/limits.ts';

function codeFor(bytes: Uint8Array): string {
  try {
    checkMsgpack(bytes);
    return 'passed';
  } catch (error) {
    return error instanceof TowError ? error.code : String(error);
  }
}

const passing: Readonly<Record<string, readonly number[]>> = {
  nil: [0xc0],
  booleans: [0x92, 0xc2, 0xc3],
  'small integers': [0x92, 0x7f, 0xe0],
  'unsigned integers': [0x94, 0xcc, 1, 0xcd, 1, 1, 0xce, 1, 1, 1, 1, 0xcf, 1, 1, 1, 1, 1, 1, 1, 1],
  'signed integers': [0x94, 0xd0, 1, 0xd1, 1, 1, 0xd2, 1, 1, 1, 1, 0xd3, 1, 1, 1, 1, 1, 1, 1, 1],
  floats: [0x92, 0xca, 1, 1, 1, 1, 0xcb, 1, 1, 1, 1, 1, 1, 1, 1],
  strings: [0x94, 0xa1, 65, 0xd9, 1, 65, 0xda, 0, 1, 65, 0xdb, 0, 0, 0, 1, 65],
  binaries: [0x93, 0xc4, 1, 65, 0xc5, 0, 1, 65, 0xc6, 0, 0, 0, 1, 65],
  'long arrays': [0x92, 0xdc, 0, 1, 0, 0xdd, 0, 0, 0, 1, 0],
  maps: [0x93, 0x81, 0xa1, 65, 0, 0xde, 0, 1, 0xa1, 65, 0, 0xdf, 0, 0, 0, 1, 0xd9, 1, 65, 0],
};

test.each(Object.entries(passing))('passes %s, and nothing that is cut off or longer', (_what, bytes) => {
  const whole = Buffer.from(bytes);
  expect(codeFor(whole)).toBe('passed');
  for (let length = 0; length < whole.length; length += 1)
    expect(codeFor(whole.subarray(0, length))).toBe('bad-message');
  expect(codeFor(Buffer.concat([whole, Buffer.of(0)]))).toBe('bad-message');
});

test.each([0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8])('refuses type 0x%s', (type) => {
  expect(codeFor(Buffer.concat([Buffer.of(type), Buffer.alloc(40)]))).toBe('bad-message');
  expect(codeFor(Buffer.concat([Buffer.of(0x81, 0xa1, 65, type), Buffer.alloc(40)]))).toBe('bad-message');
});

test.each([
  ['a number', [0x81, 1, 1]],
  ['nil', [0x81, 0xc0, 1]],
  ['a binary', [0x81, 0xc4, 1, 65, 1]],
  ['a map', [0x81, 0x80, 1]],
])('refuses a map whose key is %s', (_what, bytes) => {
  expect(codeFor(Buffer.from(bytes))).toBe('bad-message');
});

test.each([
  ['an array', [0xdd, 0x01, 0xff, 0xff, 0xff]],
  ['a map', [0xdf, 0xff, 0xff, 0xff, 0xff]],
  ['a string', [0xdb, 0xff, 0xff, 0xff, 0xff]],
  ['a binary', [0xc6, 0xff, 0xff, 0xff, 0xff]],
])('refuses %s that claims more than there is', (_what, bytes) => {
  expect(codeFor(Buffer.concat([Buffer.from(bytes), Buffer.alloc(100)]))).toBe('bad-message');
});

test('refuses deep nesting and too many values', () => {
  const nested = (depth: number): Buffer => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.of(0)]);
  expect(codeFor(nested(limits.messageDepth))).toBe('passed');
  expect(codeFor(nested(limits.messageDepth + 1))).toBe('limit-exceeded');
  expect(codeFor(nested(1_000_000))).toBe('limit-exceeded');
  const many = (count: number): Buffer => {
    const bytes = Buffer.alloc(count + 5);
    bytes[0] = 0xdd;
    bytes.writeUInt32BE(count, 1);
    return bytes;
  };
  expect(codeFor(many(limits.messageValues - 1))).toBe('passed');
  expect(codeFor(many(limits.messageValues))).toBe('limit-exceeded');
});
