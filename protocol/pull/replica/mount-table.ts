import { readFileSync } from 'node:fs';

/** The mount point that an absolute path lies on, as this process sees it; latin1. Linux only. Blocking. */
export function mountPointOf(path: string): string {
  let found = '/';
  for (const line of readFileSync('/proc/self/mountinfo', 'latin1').split('\n')) {
    const point = (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (point.length > found.length && (path === point || path.startsWith(`${point}/`))) found = point;
  }
  return found;
}
