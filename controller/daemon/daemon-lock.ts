import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { tryLock } from '../../protocol/libc/libc.ts';

/** Makes this process the user's only controller, for as long as it lives; false if there is one. Without flock, a live pid in the file counts. */
export function takeDaemonLock(path: string): boolean {
  const fd = openSync(path, 'a+', 0o600);
  const locked = tryLock(fd) ?? !isAlive(Number(readFileSync(path, 'utf8')));
  if (!locked) {
    closeSync(fd);
    return false;
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return true;
}

function isAlive(pid: number): boolean {
  if (!(pid > 1)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
