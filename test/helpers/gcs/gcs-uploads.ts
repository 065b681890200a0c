/** The three ways the JSON API takes an object: at once, at once with its resource, and over several requests. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GcsError, invalid, noSuchBucket } from './gcs-error.ts';
import type { Conditions, MemoryBucket, NewObject } from './gcs-memory.ts';
import {
  answerJson,
  bodyOf,
  conditionsOf,
  jsonOf,
  multipartOf,
  objectResource,
  type Said,
  saidOf,
  withFields,
} from './gcs-wire.ts';

const chunkMultiple = 256 * 1024;

interface Session {
  readonly bucket: MemoryBucket;
  readonly name: string;
  readonly said: NewObject;
  readonly conditions: Conditions;
  bytes: Buffer;
}

export class GcsUploads {
  readonly #sessions = new Map<string, Session>();

  async handle(
    bucket: MemoryBucket,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
    base: string,
  ): Promise<void> {
    const body = await bodyOf(request);
    const type = request.headers['content-type'];
    const respond = (said: Said, bytes: Buffer, fallbackType: string | undefined): void => {
      const object = bucket.write(nameOf(query, said), bytes, newObject(said, fallbackType), conditionsOf(query));
      answerJson(response, 200, withFields(objectResource(bucket, object, base), query.get('fields')));
    };
    switch (query.get('uploadType') ?? '') {
      case 'media':
        return respond({}, body, type);
      case 'multipart': {
        const { said, type: partType, bytes } = multipartOf(type ?? '', body);
        return respond(said, bytes, partType);
      }
      case 'resumable':
        return request.method === 'PUT'
          ? this.#continue(query, request, response, body, base)
          : this.#begin(bucket, query, request, response, body, base);
      default:
        throw invalid(`no upload type ${query.get('uploadType')}`);
    }
  }

  #begin(
    bucket: MemoryBucket,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    base: string,
  ): void {
    const said = saidOf(jsonOf(body));
    const name = nameOf(query, said);
    const conditions = conditionsOf(query);
    bucket.check(name, conditions);
    const type = request.headers['x-upload-content-type'];
    const id = randomUUID();
    const session = { bucket, name, said: newObject(said, typeof type === 'string' ? type : undefined), conditions };
    this.#sessions.set(id, { ...session, bytes: Buffer.of() });
    const params = new URLSearchParams({ uploadType: 'resumable', name, upload_id: id });
    // Absolute, as Google's: clients take it as it is.
    response.writeHead(200, {
      location: `${base}/upload/storage/v1/b/${bucket.name}/o?${params.toString()}`,
      'x-guploader-uploadid': id,
      'content-length': 0,
    });
    response.end();
  }

  #continue(
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    base: string,
  ): void {
    const id = query.get('upload_id') ?? '';
    const session = this.#sessions.get(id);
    if (session === undefined) throw noSuchBucket();
    const range = request.headers['content-range'] ?? `bytes 0-*/${body.length}`;
    const [, from, to, total = '*'] = /^bytes (?:(\d+)-(\d+|\*)|\*)\/(\d+|\*)$/.exec(range) ?? [];
    if (from !== undefined) {
      if (Number(from) > session.bytes.length) throw new GcsError(400, 'invalid', `bytes before ${from} are missing`);
      if (to !== undefined && to !== '*' && Number(to) - Number(from) + 1 !== body.length)
        throw invalid(`${range}: ${body.length} bytes came`);
      session.bytes = Buffer.concat([session.bytes.subarray(0, Number(from)), body]);
    }
    // `from-*/*`: all there is, in one request. `*/*`: only asks.
    const whole = total === '*' ? from !== undefined && to === '*' : session.bytes.length === Number(total);
    if (!whole) {
      if (session.bytes.length % chunkMultiple !== 0)
        throw invalid(`a chunk that is not the last is a multiple of ${chunkMultiple} bytes`);
      const range = session.bytes.length === 0 ? {} : { range: `bytes=0-${session.bytes.length - 1}` };
      response.writeHead(308, { ...range, 'content-length': 0 });
      response.end();
      return;
    }
    const object = session.bucket.write(session.name, session.bytes, session.said, session.conditions);
    this.#sessions.delete(id);
    answerJson(response, 200, objectResource(session.bucket, object, base));
  }
}

function nameOf(query: URLSearchParams, said: Said): string {
  const name = query.get('name') ?? said.name;
  if (name === undefined) throw new GcsError(400, 'required', 'Required');
  return name;
}

export function newObject(said: Said, fallbackType: string | undefined): NewObject {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(said.metadata ?? {})) if (value !== null) metadata[name] = value;
  return { ...said, metadata, contentType: said.contentType ?? fallbackType };
}
