/**
 * Google Cloud Storage as far as its documents tell, over real HTTP, in memory: the JSON API, and downloads of the XML
 * API. Google's own client is run against it too (gcs-server.test.ts); Google's service itself never was at hand.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { GcsError, invalid } from './gcs/gcs-error.ts';
import { MemoryBuckets } from './gcs/gcs-memory.ts';
import { GcsObjects } from './gcs/gcs-objects.ts';
import { GcsUploads } from './gcs/gcs-uploads.ts';
import {
  answerError,
  answerJson,
  bodyOf,
  conditionsOf,
  jsonOf,
  objectResource,
  saidOf,
  withFields,
} from './gcs/gcs-wire.ts';
import { listen } from './listen.ts';

export interface GcsServerOptions {
  /** Asked of every request, if given. */
  readonly token?: string;
  /** How much one call of a rewrite copies. */
  readonly rewriteBytes?: number;
}

export interface GcsServer extends AsyncDisposable {
  readonly url: string;
  readonly buckets: MemoryBuckets;
  readonly objects: GcsObjects;
  /** `METHOD /path?query` of each request. */
  readonly requests: string[];
  /** Answers the next `times` requests with this. */
  refuse(error: GcsError, times: number): void;
  /** Answers a request in place of the server, if it returns true. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

export async function startGcsServer(options: GcsServerOptions = {}): Promise<GcsServer> {
  const buckets = new MemoryBuckets();
  const objects = new GcsObjects(buckets, options.rewriteBytes ?? 1 << 20);
  const uploads = new GcsUploads();
  const refusals: GcsError[] = [];
  const server = createServer((request, response) => {
    running.requests.push(`${request.method} ${request.url}`);
    if (running.intercept?.(request, response) === true) return;
    const { pathname, searchParams } = new URL(request.url ?? '/', running.url);
    const path = pathname.split('/').slice(1).map(decodeURIComponent);
    const isXml = path[0] !== 'storage' && path[0] !== 'upload' && path[0] !== 'download';
    const handle = async (): Promise<void> => {
      checkToken(request, options.token);
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      if (isXml) {
        const [bucket = '', ...name] = path;
        const match = request.headers['x-goog-if-generation-match'];
        const conditions = match === undefined ? {} : { ifGenerationMatch: Number(match) };
        objects.download(buckets.get(bucket), name.join('/'), conditions, request, response, true);
      } else if (path[0] === 'upload') {
        await uploads.handle(buckets.get(path[4] ?? ''), searchParams, request, response, running.url);
      } else {
        await json(request, response, path.slice(path.indexOf('b') + 1), searchParams);
      }
    };
    handle().catch((error: unknown) => {
      const failure = error instanceof GcsError ? error : new GcsError(500, 'backendError', String(error));
      request.resume();
      answerError(response, failure, isXml);
    });
  });

  /** `path` begins with the bucket. */
  const json = async (
    request: IncomingMessage,
    response: ServerResponse,
    path: readonly string[],
    query: URLSearchParams,
  ): Promise<void> => {
    const answer = (value: unknown): void => answerJson(response, 200, withFields(value, query.get('fields')));
    const body = jsonOf(await bodyOf(request));
    const [bucketName, , name, verb] = path;
    if (bucketName === undefined) return answer(bucketsCall(buckets, request.method ?? '', query, body));
    const bucket = buckets.get(bucketName);
    if (path.length === 1) {
      if (request.method !== 'DELETE') return answer({ kind: 'storage#bucket', ...bucket.resource });
      buckets.delete(bucketName);
      response.writeHead(204).end();
      return;
    }
    if (name === undefined) {
      const maxResults = Math.min(Number(query.get('maxResults') ?? 1000), 1000);
      const page = bucket.list(
        query.get('prefix') ?? '',
        query.get('delimiter') ?? undefined,
        query.get('pageToken') ?? undefined,
        maxResults,
      );
      return answer({
        kind: 'storage#objects',
        ...(page.items.length === 0
          ? {}
          : { items: page.items.map((item) => objectResource(bucket, item, running.url)) }),
        ...(page.prefixes.length === 0 ? {} : { prefixes: page.prefixes }),
        ...(page.nextPageToken === undefined ? {} : { nextPageToken: page.nextPageToken }),
      });
    }
    if (verb === 'compose')
      return answer(objectResource(bucket, objects.compose(bucket, name, query, body), running.url));
    if (verb === 'rewriteTo' || verb === 'copyTo')
      return answer(objects.copy(bucket, path.slice(2), query, body, running.url));
    switch (request.method ?? '') {
      case 'GET':
        if (query.get('alt') === 'media')
          return objects.download(bucket, name, conditionsOf(query), request, response, false);
        return answer(objectResource(bucket, bucket.read(name, conditionsOf(query)), running.url));
      case 'PATCH':
        return answer(
          objectResource(bucket, bucket.patch(bucket.read(name, conditionsOf(query)), saidOf(body)), running.url),
        );
      case 'DELETE':
        bucket.delete(name, conditionsOf(query));
        response.writeHead(204).end();
        return;
      default:
        throw invalid(`${request.method} is nothing that is done to an object`);
    }
  };

  const port = await listen(server);
  const running: GcsServer = {
    url: `http://127.0.0.1:${port}`,
    buckets,
    objects,
    requests: [],
    intercept: undefined,
    refuse: (error, times) => refusals.push(...Array.from({ length: times }, () => error)),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return running;
}

function bucketsCall(buckets: MemoryBuckets, method: string, query: URLSearchParams, body: unknown): unknown {
  if (method !== 'POST') return { kind: 'storage#buckets', items: buckets.all().map(({ resource }) => resource) };
  const { name } = saidOf(body);
  if (name === undefined || query.get('project') === null) throw new GcsError(400, 'required', 'Required');
  const resource = { ...(typeof body === 'object' ? body : {}), name };
  return buckets.insert(name, resource).resource;
}

function checkToken({ headers, url = '' }: IncomingMessage, token: string | undefined): void {
  if (token === undefined || headers.authorization === `Bearer ${token}`) return;
  // Where an upload session goes on, its address is the secret.
  if (url.includes('upload_id=')) return;
  if (headers.authorization !== undefined)
    throw new GcsError(401, 'authError', 'Invalid Credentials', 'AuthenticationRequired');
  const message = 'Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object.';
  // The XML API forbids what the JSON API wants a login for.
  throw url.startsWith('/storage/') || url.startsWith('/upload/')
    ? new GcsError(401, 'required', message)
    : new GcsError(403, 'forbidden', message, 'AccessDenied');
}
