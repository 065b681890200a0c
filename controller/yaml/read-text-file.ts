import { open } from 'node:fs/promises';
import { type ErrorCode, errnoOf, TowError, toTowError } from '../../protocol/base/errors.ts';
import { bytesOf, displayPath } from '../../protocol/base/root-path.ts';
import { yamlLimits } from './parse-yaml.ts';

/**
 * A small UTF-8 file that people write, without its byte order mark; undefined when it is not there. Rejects with `code`
 * when it is no regular file, larger than `yamlLimits.bytes` or not UTF-8; with `io` or `permission-denied` otherwise.
 */
export async function readTextFile(path: string, code: ErrorCode): Promise<string | undefined> {
  const shown = displayPath(bytesOf(path));
  const bytes = await readBounded(path, shown, code);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TowError(code, `${shown} is not UTF-8 text`, { hint: 'save it as UTF-8', cause: error });
  }
}

async function readBounded(path: string, shown: string, code: ErrorCode): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, 'r');
    const stats = await file.stat();
    if (!stats.isFile()) throw new TowError(code, `${shown} is no regular file`, { hint: 'name a file' });
    const buffer = Buffer.alloc(Math.min(stats.size, yamlLimits.bytes) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) return buffer.subarray(0, length);
      length += bytesRead;
    }
    const size = Math.max(stats.size, length);
    throw new TowError(code, `${shown} is too large: ${size} bytes read, at most ${yamlLimits.bytes}`, {
      hint: 'keep data out of the file',
    });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw toTowError(error, `cannot read ${shown}`);
  }
}
