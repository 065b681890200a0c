import { execFileSync } from 'node:child_process';

/** Worker threads and processes run bundles, as users do: tests build them once before anything else. */
export function setup(): void {
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
}
