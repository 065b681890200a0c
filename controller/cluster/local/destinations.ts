/** Absolute destinations that a local node has had: every agent of the node is started so that they are the node's own. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../protocol/base/errors.ts';

const fileOf = (home: string): string => join(home, '.destinations');

export async function readDestinations(home: string): Promise<readonly string[]> {
  try {
    return (await readFile(fileOf(home), 'utf8')).split('\n').filter((line) => line !== '');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Names hold no newline: the task file's parser refuses control characters. */
export async function writeDestinations(home: string, destinations: readonly string[]): Promise<void> {
  const temp = `${fileOf(home)}.new`;
  await writeFile(temp, `${destinations.join('\n')}\n`);
  await rename(temp, fileOf(home));
}
