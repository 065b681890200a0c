/** What object-store.ts promises, over every service there is. A further one is a line in this table. */
import { openGcsStore } from '../../protocol/store/gcs/gcs-store.ts';
import { startGcsServer } from '../helpers/gcs-server.ts';
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

for (const service of [gcs]) storeSuite(service);
