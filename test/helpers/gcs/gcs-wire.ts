/** How requests and answers look: resources, partial answers, multipart bodies, errors. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { GcsError, invalid } from './gcs-error.ts';
import type { Conditions, MemoryBucket, StoredObject } from './gcs-memory.ts';

const said = v.object({
  name: v.optional(v.string()),
  contentType: v.optional(v.string()),
  contentEncoding: v.optional(v.string()),
  metadata: v.optional(v.record(v.string(), v.nullable(v.string()))),
  md5Hash: v.optional(v.string()),
  crc32c: v.optional(v.string()),
});
export type Said = v.InferOutput<typeof said>;

export const composeRequest = v.object({
  sourceObjects: v.array(
    v.object({
      name: v.string(),
      generation: v.optional(v.pipe(v.union([v.string(), v.number()]), v.transform(Number))),
    }),
  ),
  destination: v.optional(v.unknown(), {}),
});

export function saidOf(json: unknown): Said {
  return parsed(said, json);
}

export function parsed<T extends v.GenericSchema>(schema: T, json: unknown): v.InferOutput<T> {
  const result = v.safeParse(schema, json);
  if (!result.success) throw invalid(result.issues[0].message);
  return result.output;
}

export function jsonOf(bytes: Buffer): unknown {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new GcsError(400, 'parseError', 'Parse Error');
  }
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** multipart/related: a JSON part, and the bytes. */
export function multipartOf(
  contentType: string,
  body: Buffer,
): { said: Said; type: string | undefined; bytes: Buffer } {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) throw invalid('no boundary');
  const parts: { head: string; bytes: Buffer }[] = [];
  const mark = Buffer.from(`--${boundary}`);
  let at = body.indexOf(mark);
  while (at >= 0) {
    const start = at + mark.length;
    if (body.subarray(start, start + 2).toString() === '--') break;
    const next = body.indexOf(Buffer.from(`\r\n--${boundary}`), start);
    const end = body.indexOf('\r\n\r\n', start);
    if (next < 0 || end < 0) throw invalid('a multipart body that breaks off');
    parts.push({ head: body.subarray(start, end).toString('latin1'), bytes: body.subarray(end + 4, next) });
    at = next + 2;
  }
  const [first, second] = parts;
  if (first === undefined || second === undefined || parts.length > 2) throw invalid('a multipart body has two parts');
  const type = /content-type: *([^\r\n]+)/i.exec(second.head)?.[1];
  return { said: saidOf(jsonOf(first.bytes)), type, bytes: second.bytes };
}

export function conditionsOf(query: URLSearchParams, prefix = 'if'): Conditions {
  const number = (name: string): number | undefined => {
    const value = query.get(`${prefix}${name}`);
    return value === null ? undefined : Number(value);
  };
  return { ifGenerationMatch: number('GenerationMatch'), ifGenerationNotMatch: number('GenerationNotMatch') };
}

export function objectResource(bucket: MemoryBucket, object: StoredObject, base: string): Record<string, unknown> {
  const path = `${bucket.name}/o/${encodeURIComponent(object.name)}`;
  return {
    kind: 'storage#object',
    id: `${bucket.name}/${object.name}/${object.generation}`,
    selfLink: `${base}/storage/v1/b/${path}`,
    mediaLink: `${base}/download/storage/v1/b/${path}?generation=${object.generation}&alt=media`,
    name: object.name,
    bucket: bucket.name,
    generation: String(object.generation),
    metageneration: String(object.metageneration),
    ...(object.contentType === undefined ? {} : { contentType: object.contentType }),
    ...(object.contentEncoding === undefined ? {} : { contentEncoding: object.contentEncoding }),
    ...(Object.keys(object.metadata).length === 0 ? {} : { metadata: object.metadata }),
    ...(object.md5Hash === undefined ? {} : { md5Hash: object.md5Hash }),
    ...(object.componentCount === undefined ? {} : { componentCount: object.componentCount }),
    storageClass: 'STANDARD',
    size: String(object.bytes.length),
    crc32c: object.crc32c,
    etag: Buffer.from(`${object.generation}/${object.metageneration}`).toString('base64'),
    timeCreated: new Date(object.timeCreated).toISOString(),
    updated: new Date(object.updated).toISOString(),
  };
}

/** A partial answer: `fields` is `a,b(c,d),e/f`. */
export function withFields(value: unknown, fields: string | null): unknown {
  if (fields === null) return value;
  const { tree, end } = fieldTree(fields, 0);
  if (end !== fields.length) throw new GcsError(400, 'invalidParameter', `Invalid field selection ${fields}`);
  return selected(value, tree);
}

type FieldTree = Map<string, FieldTree>;

function fieldTree(fields: string, from: number): { tree: FieldTree; end: number } {
  const tree: FieldTree = new Map();
  for (let at = from; ; ) {
    const name = /^[\w*]+/.exec(fields.slice(at))?.[0];
    if (name === undefined) throw new GcsError(400, 'invalidParameter', `Invalid field selection ${fields}`);
    at += name.length;
    let below: FieldTree = new Map();
    if (fields[at] === '(' || fields[at] === '/') {
      const inner = fieldTree(fields, at + 1);
      below = inner.tree;
      at = fields[at] === '(' ? inner.end + 1 : inner.end;
    }
    tree.set(name, below);
    if (fields[at] !== ',') return { tree, end: at };
    at += 1;
  }
}

function selected(value: unknown, tree: FieldTree): unknown {
  if (tree.size === 0) return value;
  if (Array.isArray(value)) return value.map((item) => selected(item, tree));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => {
      const below = tree.get(name) ?? tree.get('*');
      return below === undefined ? [] : [[name, selected(inner, below)]];
    }),
  );
}

export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', 'content-length': body.length });
  response.end(body);
}

export function answerError(response: ServerResponse, error: GcsError, xml: boolean): void {
  const { status, reason, message, xmlCode } = error;
  if (status === 304) {
    response.writeHead(304);
    response.end();
    return;
  }
  if (!xml) {
    answerJson(response, status, { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } });
    return;
  }
  const escaped = message.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${xmlCode}</Code><Message>${escaped}</Message></Error>`;
  response.writeHead(status, {
    'content-type': 'application/xml; charset=UTF-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
