import { defineConfig } from 'vitest/config';
import { daemonFlags } from './protocol/base/daemon-flags.ts';

/** Suites by cost: `fast` needs nothing but Node; `host` needs what scripts/test starts (sshd hosts), and fails without it. */
export default defineConfig({
  test: {
    setupFiles: ['test/helpers/seed-properties.ts'],
    globalSetup: ['test/helpers/build-once.ts'],
    // As the daemons run: what holds their event loop up is measured in these processes.
    execArgv: [...daemonFlags],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/{unit,property,model,conformance,fault,docs}/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'host',
          include: ['test/{integration,e2e}/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 180_000,
        },
      },
    ],
  },
});
