import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { TowError } from '../../../protocol/base/errors.ts';
import { freshName } from './fresh-name.ts';
import { npmArchive } from './npm-package.ts';
import type { PinnedFile } from './pinned-file.ts';

/**
 * Path of a gzip of a pinned file in `cacheDir`, made from its npm package when it is not there. What a damaged cache
 * sends is caught by the node, which checks the file's digest; `dropPackedFile` then makes it anew.
 */
export async function packedFile(
  file: PinnedFile,
  cacheDir: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const path = packedPath(file, cacheDir);
  if (await exists(path)) return path;
  const archive = await npmArchive(file, cacheDir, env, signal);
  const temp = `${path}.${freshName()}`;
  try {
    const tar = spawn('tar', ['-xzOf', archive, file.member], { stdio: ['ignore', 'pipe', 'ignore'], env });
    const ended = once(tar, 'close');
    await pipeline(tar.stdout, createGzip({ level: 6 }), createWriteStream(temp, { mode: 0o600 }), { signal });
    const [code] = await ended;
    if (code !== 0) throw new TowError('io', `tar could not read ${file.member} of ${archive}`);
    await rename(temp, path);
  } finally {
    await rm(temp, { force: true });
  }
  // The archive is the larger of the two and has served its purpose.
  await rm(archive, { force: true });
  return path;
}

export async function dropPackedFile(file: PinnedFile, cacheDir: string): Promise<void> {
  await rm(packedPath(file, cacheDir), { force: true });
}

function packedPath(file: PinnedFile, cacheDir: string): string {
  return join(cacheDir, `${file.sha256.slice(0, 16)}.gz`);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
