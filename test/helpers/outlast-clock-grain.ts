import { statSync } from 'node:fs';

/** Returns once the file is older than what is read again for its age alone. */
export function outlastClockGrain(path: string): void {
  while (Date.now() - statSync(path).ctimeMs < 50);
}
