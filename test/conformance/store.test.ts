/** What object-store.ts promises, over every service there is but for S3, which needs a gateway (integration/store-s3). */
import { openGcsStore } from '../../protocol/store/gcs/gcs-store.ts';
import { startGcsServer } from '../helpers/gcs-server.ts';
import { openLinkService, openLocalService } from '../helpers/local-bucket.ts';
import { type StoreCase, storeSuite } from '../helpers/store-suite.ts';

const gcs: StoreCase = {
  name: 'gcs',
  open: async () => {
    const server = await startGcsServer({ token: 'secret' });
    return {
      bucket: async (bucket) =>
        await openGcsStore({
          service: 'gcs',
          bucket,
          project: 'p',
          endpoint: server.url,
          credentials: { type: 'token', token: 'secret' },
        }),
      close: async () => await server[Symbol.asyncDispose](),
    };
  },
};

const local: StoreCase = { name: 'local', open: openLocalService };
const link: StoreCase = { name: 'local, over the link', open: openLinkService };

for (const service of [gcs, local, link]) storeSuite(service);
