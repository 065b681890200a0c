import type { S3Access } from '../../protocol/store/s3/open-s3-store.ts';

/** Ceph's gateway, as scripts/gateway starts it. */
export const gateway = {
  endpoint: process.env['TOWLINE_GATEWAY'] ?? 'http://127.0.0.1:7490',
  accessKeyId: 'TOWACCESSKEY0000000',
  secretAccessKey: 'towsecretkey000000000000000000000000000',
  region: 'us-east-1',

  access(bucket: string): S3Access {
    const { endpoint, region, accessKeyId, secretAccessKey } = gateway;
    return {
      service: 's3',
      provider: 'other',
      bucket,
      region,
      endpoint,
      credentials: { type: 'keys', accessKeyId, secretAccessKey },
    };
  },
} as const;
