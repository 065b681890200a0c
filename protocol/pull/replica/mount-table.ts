import { readFileSync } from 'node:fs';

/** The mount point that an absolute path lies on, as this process sees it; latin1. Linux only. Blocking. */
export function mountPointOf(path: string): string {
  let found = '/';
  for (const point of mountPoints()) {
    if (point.length > found.length && (path === point || path.startsWith(`${point}/`))) found = point;
  }
  return found;
}

/** Whether something is mounted below an absolute path (latin1), as far as this process sees; true where that is not known. Blocking. */
export function hasMountInside(path: string): boolean {
  try {
    const inside = path === '/' ? path : `${path}/`;
    return mountPoints().some((point) => point.length > inside.length && point.startsWith(inside));
  } catch {
    return true;
  }
}

function mountPoints(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  return lines.map((line) =>
    (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    ),
  );
}
