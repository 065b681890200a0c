import { TowError } from '../../../protocol/base/errors.ts';
import { showPlace } from '../../buckets/storage/storage-place.ts';
import { countText } from '../../ui/format.ts';
import type { CommandRun } from '../command-result.ts';
import type { CommandContext } from '../context.ts';
import type { Controller } from '../controller.ts';
import { accessRequest } from './task-run.ts';

/** Keys told of one storage, and of these in words. */
const maxOddKeys = 100;
const oddKeysShown = 10;

/** Every storage that Towline made. */
export const storageLs: CommandRun<'storage-ls'> = async (_command, context, controller) => {
  const storages = await controller.storages.list();
  for (const record of storages) {
    const { name, store, state, uploaded, createdAt, persistent, clusters } = record;
    const oddKeys = store === 'local' ? await oddKeysOf(name, context, controller) : [];
    context.emit({
      type: 'data',
      kind: 'storage',
      name,
      store,
      place: showPlace({ ...record, bucket: name, region: record.region, endpoint: record.endpoint }),
      state,
      ...uploaded,
      ...(oddKeys.length === 0 ? {} : { oddKeys }),
      createdAt,
      persistent,
      usedBy: clusters.filter((cluster) => controller.registry.find(cluster) !== undefined),
    });
    if (oddKeys.length > 0) context.emit({ type: 'note', level: 'info', text: oddKeysNote(name, oddKeys) });
  }
  return {
    summary: {
      command: 'storage ls',
      ...(storages.length === 0 ? { text: 'no storages yet: a task with a storage of a new name makes one' } : {}),
    },
  };
};

async function oddKeysOf(
  name: string,
  { signal }: CommandContext,
  { buckets }: Controller,
): Promise<readonly string[]> {
  try {
    return await buckets.get(name).oddKeys(maxOddKeys, signal);
  } catch (error) {
    // It was made for a storage that has not come to be.
    if (error instanceof TowError && error.code === 'bucket-missing') return [];
    throw error;
  }
}

function oddKeysNote(name: string, keys: readonly string[]): string {
  const more = keys.length === maxOddKeys ? ', perhaps more' : '';
  const shown = keys.slice(0, oddKeysShown).map((key) => JSON.stringify(key));
  const rest = keys.length > oddKeysShown ? `, … (${keys.length}${more})` : '';
  return `${name} has keys that no directory can hold, which lie beside its files: ${shown.join(', ')}${rest}`;
}

/** Deletes storages that Towline made with all that is in them, and says how much that was. */
export const storageDelete: CommandRun<'storage-delete'> = async ({ names, all }, context, controller) => {
  const made = (await controller.storages.list()).map(({ name }) => name);
  const doomed = all ? made : [...new Set(names)];
  if (all && names.length > 0)
    throw new TowError('usage', '--all and names exclude each other', { hint: 'give names, or --all' });
  const request = accessRequest('forward', context, controller);
  let objects = 0;
  for (const name of doomed) {
    const count = await controller.storages.delete(name, request, () => undefined, context.signal);
    objects += count;
    context.emit({ type: 'note', level: 'info', text: `deleted storage ${name}: ${countText(count)} objects` });
  }
  const what = `${countText(doomed.length)} ${doomed.length === 1 ? 'storage' : 'storages'}`;
  return {
    summary: { command: 'storage delete', text: `deleted ${what} with ${countText(objects)} objects` },
  };
};
