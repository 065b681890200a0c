/**
 * Looks over a peer's msgpack before it is decoded, without taking memory for it. The decoder trusts the counts it reads:
 * five bytes can claim an array of millions of elements, and nesting multiplies that. It also knows extension types,
 * which build dates, regular expressions and shared structures; nothing of that is part of the protocol.
 */
import { TowError } from '../base/errors.ts';
import { limits } from './limits.ts';

/**
 * Passes exactly one value made of nil, booleans, numbers, strings, binaries, arrays, and maps with string keys, nested
 * at most `limits.messageDepth` deep, of at most `limits.messageValues` values. Throws `bad-message` or `limit-exceeded`.
 */
export function checkMsgpack(bytes: Uint8Array): void {
  const scan: Scan = { bytes, at: 0, values: 0 };
  skipValue(scan, 0);
  if (scan.at !== bytes.length) throw malformed(`${bytes.length - scan.at} bytes behind its end`);
}

interface Scan {
  readonly bytes: Uint8Array;
  at: number;
  values: number;
}

function malformed(what: string): TowError {
  return new TowError('bad-message', `a message with ${what}`);
}

function skipValue(scan: Scan, depth: number): void {
  scan.values += 1;
  if (scan.values > limits.messageValues)
    throw new TowError('limit-exceeded', `a message of more than ${limits.messageValues} values`);
  const type = readUint(scan, 1);
  if (type < 0x80 || type >= 0xe0 || type === 0xc0 || type === 0xc2 || type === 0xc3) return;
  if (type < 0x90) return skipMap(scan, type & 0x0f, depth);
  if (type < 0xa0) return skipArray(scan, type & 0x0f, depth);
  if (type < 0xc0) return skipBytes(scan, type & 0x1f);
  switch (type) {
    case 0xcc:
    case 0xd0:
      return skipBytes(scan, 1);
    case 0xcd:
    case 0xd1:
      return skipBytes(scan, 2);
    case 0xca:
    case 0xce:
    case 0xd2:
      return skipBytes(scan, 4);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return skipBytes(scan, 8);
    case 0xc4:
    case 0xd9:
      return skipBytes(scan, readUint(scan, 1));
    case 0xc5:
    case 0xda:
      return skipBytes(scan, readUint(scan, 2));
    case 0xc6:
    case 0xdb:
      return skipBytes(scan, readUint(scan, 4));
    case 0xdc:
      return skipArray(scan, readUint(scan, 2), depth);
    case 0xdd:
      return skipArray(scan, readUint(scan, 4), depth);
    case 0xde:
      return skipMap(scan, readUint(scan, 2), depth);
    case 0xdf:
      return skipMap(scan, readUint(scan, 4), depth);
    default:
      throw malformed(`a value of type 0x${type.toString(16)}`);
  }
}

function skipArray(scan: Scan, count: number, depth: number): void {
  open(scan, count, depth);
  for (let n = 0; n < count; n += 1) skipValue(scan, depth + 1);
}

function skipMap(scan: Scan, count: number, depth: number): void {
  open(scan, 2 * count, depth);
  for (let n = 0; n < count; n += 1) {
    if (!isString(scan.bytes[scan.at])) throw malformed('a map key that is no string');
    skipValue(scan, depth + 1);
    skipValue(scan, depth + 1);
  }
}

/** A value is a byte at least, so what a container claims to hold must fit what is left. */
function open(scan: Scan, count: number, depth: number): void {
  if (depth >= limits.messageDepth)
    throw new TowError('limit-exceeded', `a message nested deeper than ${limits.messageDepth}`);
  if (count > scan.bytes.length - scan.at) throw malformed(`${count} values in ${scan.bytes.length - scan.at} bytes`);
}

function isString(type: number | undefined): boolean {
  return type !== undefined && ((type >= 0xa0 && type < 0xc0) || (type >= 0xd9 && type <= 0xdb));
}

function skipBytes(scan: Scan, length: number): void {
  scan.at += length;
  if (scan.at > scan.bytes.length) throw malformed('its end missing');
}

function readUint(scan: Scan, length: 1 | 2 | 4): number {
  const from = scan.at;
  skipBytes(scan, length);
  let value = 0;
  for (let at = from; at < scan.at; at += 1) value = value * 256 + (scan.bytes[at] ?? 0);
  return value;
}
