import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The bundle that this process runs. */
export const bundleFile = fileURLToPath(import.meta.url);

/** What build this is: a digest of the bundle, as scripts/build.mjs makes it. */
export function buildId(): string {
  return createHash('sha256').update(readFileSync(bundleFile)).digest('hex').slice(0, 16);
}
