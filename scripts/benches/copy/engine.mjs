// One copy by the agent's own thread, engine.mjs ENDPOINT BUCKET HOME: to HOME/data.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';

const [endpoint, bucket, home] = process.argv.slice(2);
mkdirSync(home, { recursive: true });
const worker = new Worker(resolve('dist/agent.mjs'), {
  workerData: {
    role: 'copy',
    access: {
      service: 's3',
      provider: 'other',
      bucket,
      region: process.env.AWS_REGION,
      endpoint,
      credentials: {
        type: 'keys',
        accessKeyId: process.env.AWS_ACCESS_KEY_ID,
        secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
      },
    },
    options: {
      dest: '~/data',
      key: 'bench',
      stateDir: join(home, 'state'),
      conflictsDir: join(home, 'conflicts'),
      rules: { home, reach: 'machine' },
      rootDir: join(home, 'root'),
      otherRoots: [],
      source: bucket,
      prefix: 'set',
      mayBeEmpty: false,
      allowDelete: false,
      verify: false,
    },
  },
});
worker.on('message', ({ type, error }) => {
  if (type === 'failed') console.error(error.message);
  if (type === 'done' || type === 'failed') process.exit(type === 'done' ? 0 : 1);
});
worker.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
