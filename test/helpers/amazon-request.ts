import { S3Client } from '@aws-sdk/client-s3';
import type { S3Keys } from '../../protocol/store/s3/s3-credentials.ts';

export interface AmazonRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Encoded, with the bucket. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
}

/** What Amazon's own client would send to a service in eu-central-1 at http://127.0.0.1:1234. Nothing is sent. */
export async function amazonRequest(
  keys: S3Keys,
  send: (client: S3Client) => Promise<unknown>,
): Promise<AmazonRequest> {
  let sent: AmazonRequest | undefined;
  const client = new S3Client({
    region: 'eu-central-1',
    endpoint: 'http://127.0.0.1:1234',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: keys.secretAccessKey,
      ...(keys.sessionToken === undefined ? {} : { sessionToken: keys.sessionToken }),
    },
    requestHandler: {
      handle: async (request: AmazonRequest) => {
        sent = request;
        throw new Error('not sent');
      },
    },
  });
  await send(client).catch(() => undefined);
  if (sent === undefined) throw new Error('nothing was sent');
  return sent;
}
