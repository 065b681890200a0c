/**
 * Frames of an authenticated link, each one binary WebSocket message.
 *
 *   control: type (u8, 1) · msgpack envelope
 *   data:    type (u8, 2) · call id (u32 LE) · xxh64 of the payload (u64 LE) · payload      callee to caller
 *   payload: type (u8, 3) · the same                                                        caller to callee, once
 *
 * The check value is against broken memory and broken code, not against people: those are kept out by the handshake, and
 * wrong chunks by their digests.
 */
import xxhash from 'xxhash-wasm';
import { assert } from '../base/assert.ts';
import { TowError } from '../base/errors.ts';
import { limits } from '../wire/limits.ts';

const hasher = await xxhash();

const controlType = 1;
const dataType = 2;
const payloadType = 3;
const dataHeaderBytes = 13;

/** The longest frame either side may send. */
export const maxFrameBytes = dataHeaderBytes + limits.dataFrameBytes;

export type Frame =
  | { readonly type: 'control'; readonly body: Buffer }
  | { readonly type: 'data'; readonly id: number; readonly payload: Buffer }
  | { readonly type: 'payload'; readonly id: number; readonly payload: Buffer };

export function encodeControlFrame(message: Uint8Array): Buffer {
  if (message.length + 1 > limits.controlFrameBytes) {
    throw new TowError(
      'limit-exceeded',
      `a control message of ${message.length} bytes, at most ${limits.controlFrameBytes} are allowed`,
    );
  }
  return Buffer.concat([Buffer.of(controlType), message]);
}

/** What goes before a payload that is given in parts. Its length is theirs and the frame's, together. */
export function dataFrameHeader(type: 'data' | 'payload', id: number, parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  assert(length <= limits.dataFrameBytes, `a data frame of ${length} bytes`);
  const header = Buffer.allocUnsafe(dataHeaderBytes);
  header[0] = type === 'data' ? dataType : payloadType;
  header.writeUInt32LE(id, 1);
  const hash = hasher.create64();
  for (const part of parts) hash.update(part);
  header.writeBigUInt64LE(hash.digest(), 5);
  return header;
}

/** Reads a frame; the result shares its memory. Throws `bad-message` or `limit-exceeded`. */
export function decodeFrame(bytes: Buffer): Frame {
  const type = bytes[0];
  if (type === controlType) {
    if (bytes.length > limits.controlFrameBytes)
      throw new TowError('limit-exceeded', `a control frame of ${bytes.length} bytes`);
    return { type: 'control', body: bytes.subarray(1) };
  }
  if ((type !== dataType && type !== payloadType) || bytes.length < dataHeaderBytes)
    throw new TowError('bad-message', `a frame of ${bytes.length} bytes and type ${type ?? 'none'}`);
  const payload = bytes.subarray(dataHeaderBytes);
  if (hasher.h64Raw(payload) !== bytes.readBigUInt64LE(5))
    throw new TowError('bad-message', `a data frame of ${payload.length} bytes arrived damaged`);
  return { type: type === dataType ? 'data' : 'payload', id: bytes.readUInt32LE(1), payload };
}
