import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import { findProgram } from './find-program.ts';
import type { PinnedFile } from './pinned-file.ts';
import { runProcess } from './run-process.ts';

const fetchTimeoutMs = 300_000;

/**
 * Path of an npm package's archive in `cacheDir`, fetched with the user's own `npm` if it is not there, and checked
 * against the pinned digest each time. Fails with `io`, naming the package.
 */
export async function npmArchive(
  file: Pick<PinnedFile, 'package' | 'version' | 'integrity'>,
  cacheDir: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const path = join(cacheDir, `${file.package.replaceAll(/[@/]/g, '_')}-${file.version}.tgz`);
  if ((await integrityOf(path)) === file.integrity) return path;
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  const temp = await mkdtemp(join(cacheDir, 'fetch-'));
  try {
    const npm = await findProgram('npm', env);
    const spec = `${file.package}@${file.version}`;
    const argv = [npm, 'pack', '--silent', '--ignore-scripts', '--pack-destination', temp, spec] as const;
    const result = await runProcess(argv, { env, timeoutMs: fetchTimeoutMs }, signal);
    const name = (await readdir(temp)).find((entry) => entry.endsWith('.tgz'));
    if (result.code !== 0 || name === undefined) {
      throw new TowError('io', `npm could not fetch ${spec}`, {
        hint: 'install Node 20.19 or newer on the node, or let npm reach its registry here',
        cause: new Error(result.stderr.trim().slice(-500)),
      });
    }
    const integrity = await integrityOf(join(temp, name));
    if (integrity !== file.integrity) {
      throw new TowError(
        'io',
        `${spec} is not what it should be: ${integrity ?? 'nothing'} instead of ${file.integrity}`,
      );
    }
    await rename(join(temp, name), path);
    return path;
  } finally {
    await rm(temp, { recursive: true, force: true });
  }
}

async function integrityOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha512');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  return `sha512-${hash.digest('base64')}`;
}
