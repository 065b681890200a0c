import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ScriptDir } from './script-dir.ts';
import { ScriptWatch } from './watch-script.ts';

const pieceBytes = 256 << 10;

export interface LogRequest {
  /** Byte to begin at. */
  readonly offset: number;
  /** Begin at most so many lines before the end; 0 for no limit. */
  readonly tail: number;
  /** Go on until the script has ended. */
  readonly follow: boolean;
}

/** Streams a script's output; returns the offset behind the last byte sent. What is written just before the end is sent too. */
export async function streamLog(
  directory: ScriptDir,
  request: LogRequest,
  send: (bytes: Buffer) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const fd = openSync(directory.output, 'r');
  using watch = new ScriptWatch(directory);
  try {
    let at = Math.max(request.offset, request.tail > 0 ? tailOffset(fd, request.tail) : 0);
    for (;;) {
      await watch.next(signal);
      // Asked first: what is read afterwards is all there is if it has ended.
      const running = directory.state().state === 'running';
      for (let got = read(fd, at); got.length > 0; got = read(fd, at)) {
        await send(got);
        at += got.length;
      }
      if (!running || !request.follow) return at;
    }
  } finally {
    closeSync(fd);
  }
}

function read(fd: number, at: number): Buffer {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  return buffer.subarray(0, readSync(fd, buffer, 0, pieceBytes, at));
}

/** Where the last `lines` lines begin. */
function tailOffset(fd: number, lines: number): number {
  const size = fstatSync(fd).size;
  let found = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - pieceBytes);
    const piece = read(fd, start).subarray(0, end - start);
    for (let at = piece.length - 1; at >= 0; at -= 1) {
      if (piece[at] === 10 && start + at !== size - 1 && ++found === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
