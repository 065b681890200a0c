import { bytesText } from '../../ui/format.ts';
import { parseViaUri } from '../../via/via.ts';
import type { CommandRun } from '../command-result.ts';
import { openVia } from './task-run.ts';

/** Removes what `--via` published to a place in a bucket and no snapshot of the last days needs. */
export const storageGc: CommandRun<'storage-gc'> = async ({ uri, days }, context, controller) => {
  const via = openVia(parseViaUri(uri), 'forward', context, controller);
  const { packs, snapshots, removedBytes, keptBytes } = await via.collect(days);
  return {
    summary: {
      command: 'storage gc',
      text: `${packs} packs and ${snapshots} snapshots removed (${bytesText(removedBytes)}), ${bytesText(keptBytes)} stay in ${via.name}`,
    },
  };
};
