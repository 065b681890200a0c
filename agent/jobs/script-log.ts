import { type FileHandle, open } from 'node:fs/promises';
import type { ScriptDir } from './script-dir.ts';
import { ScriptWatch } from './watch-script.ts';

const pieceBytes = 256 << 10;
const newline = 10;

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
  await using file = await open(directory.output, 'r');
  using watch = new ScriptWatch(directory);
  let at = Math.max(request.offset, request.tail > 0 ? await tailOffset(file, request.tail, signal) : 0);
  for (;;) {
    await watch.next(signal);
    // Asked first: what is read afterwards is all there is if it has ended.
    const running = directory.state().state === 'running';
    for (let got = await read(file, at); got.length > 0; got = await read(file, at)) {
      await send(got);
      at += got.length;
    }
    if (!running || !request.follow) return at;
  }
}

async function read(file: FileHandle, at: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  const { bytesRead } = await file.read(buffer, 0, pieceBytes, at);
  return buffer.subarray(0, bytesRead);
}

/** Where the last `lines` lines begin. */
async function tailOffset(file: FileHandle, lines: number, signal: AbortSignal): Promise<number> {
  const { size } = await file.stat();
  let found = 0;
  for (let end = size; end > 0; ) {
    signal.throwIfAborted();
    const start = Math.max(0, end - pieceBytes);
    const piece = (await read(file, start)).subarray(0, end - start);
    // A newline at the very end ends the last line, it begins none.
    const from = end === size && piece.at(-1) === newline ? piece.length - 2 : piece.length - 1;
    for (let at = from < 0 ? -1 : piece.lastIndexOf(newline, from); at >= 0; ) {
      found += 1;
      if (found === lines) return start + at + 1;
      at = at === 0 ? -1 : piece.lastIndexOf(newline, at - 1);
    }
    end = start;
  }
  return 0;
}
