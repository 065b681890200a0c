import type { IncomingMessage } from 'node:http';
import { TowError } from '../../base/errors.ts';
import type { GetOptions, ObjectBody, ObjectHead } from '../object-store.ts';
import { downloadHead } from './download-head.ts';
import type { GcsApi } from './gcs-api.ts';
import { generationOf } from './insert.ts';
import { objectUri } from './object-name.ts';

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * An object's bytes and, in the same answer, its head. Resolves with undefined if the range begins at or beyond the end.
 */
export async function download(
  api: GcsApi,
  key: string,
  { range, ifVersion }: GetOptions,
  signal: AbortSignal,
): Promise<ObjectBody | undefined> {
  const url = api.downloadUrl(key);
  const headers: Record<string, string> = { 'accept-encoding': 'gzip' };
  if (range !== undefined) headers['range'] = `bytes=${range.start}-${range.end - 1}`;
  if (ifVersion !== undefined) headers['x-goog-if-generation-match'] = generationOf(api.bucket, key, ifVersion);
  const incoming = await api.open({ method: 'GET', url, headers }, [200, 206, 416], key, signal);
  if (incoming.statusCode === 416 && range !== undefined) {
    incoming.destroy();
    return undefined;
  }
  const name = objectUri(api.bucket, key);
  const head = downloadHead(key, incoming.headers);
  if (head !== undefined) {
    const span = spanOf(head, range);
    if (isAnswerFor(incoming, span, head.size))
      return { head, bytes: counted(api.body(incoming, url, signal), span.end - span.start, name) };
  }
  incoming.destroy();
  throw new TowError('store-failed', `${name}: the answer does not say what it is`);
}

function spanOf({ size }: ObjectHead, range: GetOptions['range']): Span {
  if (range === undefined) return { start: 0, end: size };
  return { start: Math.min(range.start, size), end: Math.min(range.end, size) };
}

/** A whole object comes with 200, a part of it with 206 and what part it is. */
function isAnswerFor({ statusCode, headers }: IncomingMessage, { start, end }: Span, size: number): boolean {
  if (statusCode === 200) return start === 0 && end === size;
  return headers['content-range'] === `bytes ${start}-${end - 1}/${size}`;
}

async function* counted(
  bytes: AsyncGenerator<Uint8Array, void, void>,
  promised: number,
  name: string,
): AsyncGenerator<Uint8Array, void, void> {
  let got = 0;
  for await (const chunk of bytes) {
    got += chunk.length;
    if (got > promised) throw miscounted(name, got, promised);
    yield chunk;
  }
  if (got !== promised) throw miscounted(name, got, promised);
}

function miscounted(name: string, got: number, promised: number): TowError {
  const message = `${name}: ${got} bytes came, ${promised} were promised`;
  return new TowError('store-unreachable', message, { retryable: true });
}
