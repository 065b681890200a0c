import { TowError } from '../base/errors.ts';
import type { ObjectStore } from '../store/object-store.ts';

/** A whole object, if it is no longer than `maxBytes`: else `limit-exceeded`, before memory is taken. Rejects as `ObjectStore.get`. */
export async function readObject(
  store: ObjectStore,
  key: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const { head, bytes } = await store.get(key, {}, signal);
  if (head.size > maxBytes) {
    await letGo(bytes);
    throw new TowError('limit-exceeded', `${key} has ${head.size} bytes, at most ${maxBytes} are allowed`);
  }
  return await collect(bytes, head.size);
}

/** `length` bytes of an object, from `offset`. Undefined when it is shorter. Rejects as `ObjectStore.get`. */
export async function readPart(
  store: ObjectStore,
  key: string,
  { offset, length }: { readonly offset: number; readonly length: number },
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const { head, bytes } = await store.get(key, { range: { start: offset, end: offset + length } }, signal);
  if (head.size < offset + length) {
    await letGo(bytes);
    return undefined;
  }
  return await collect(bytes, length);
}

async function collect(bytes: AsyncIterable<Uint8Array>, length: number): Promise<Buffer> {
  const whole = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for await (const chunk of bytes) {
    if (at + chunk.length > length) throw new TowError('object-corrupt', `more than ${length} bytes came`);
    whole.set(chunk, at);
    at += chunk.length;
  }
  if (at !== length) throw new TowError('object-corrupt', `${at} of ${length} bytes came`);
  return whole;
}

/** Of the connection: a body that is never begun keeps it. */
async function letGo(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of bytes) if (chunk.length > 0) return;
}
