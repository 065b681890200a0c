/** What object-store.ts promises, over a real S3 service (Ceph's gateway), as each provider of S3 is spoken to. */

import { openS3Store } from '../../protocol/store/s3/open-s3-store.ts';
import type { S3ProviderName } from '../../protocol/store/s3/providers.ts';
import { gateway } from '../helpers/gateway.ts';
import { storeSuite } from '../helpers/store-suite.ts';

/** AWS's and R2's conditions and checksums are beyond this gateway. */
const providers: readonly S3ProviderName[] = ['other', 'ibm'];

for (const provider of providers) {
  storeSuite({
    name: `s3, as of ${provider}`,
    open: async () => ({
      bucket: async (bucket) => {
        const access = { ...gateway.access(bucket), provider };
        return openS3Store(access, { connections: 16, refresh: async () => access });
      },
      close: async () => undefined,
    }),
  });
}
