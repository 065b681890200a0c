import { open } from 'node:fs/promises';
import { errnoOf } from '../../../protocol/base/errors.ts';

/** Makes the names in directories durable. One that is gone has none. */
export async function syncDirectories(paths: Iterable<string>): Promise<void> {
  for (const path of paths) {
    try {
      const directory = await open(path, 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
    }
  }
}
