import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type { Link } from '../../protocol/link/link.ts';
import type { ChunkStore } from '../../protocol/pull/replica/chunk-store.ts';
import type { ControllerMethods } from '../../protocol/wire/methods.ts';
import type { ViaPlace } from '../../protocol/wire/pull.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import { runVia } from './via-thread.ts';

export interface NodeChunkStoreOptions {
  /** Bundle that serves the role 'via'. */
  readonly script: string;
  readonly link: Link<ControllerMethods>;
  /** For the log. */
  note(text: string): void;
}

/** The object store that a controller published to. Asked for access only when chunks lack. */
export function nodeChunkStore(place: ViaPlace, options: NodeChunkStoreOptions): ChunkStore {
  const { offer, prefix, catalogue } = place;
  const { script, link } = options;
  return {
    fetch: async (ranges, take, signal) => {
      const ask = async (): Promise<StoreAccess> => (await link.call('bucket.access', { offer }, {}, signal)).access;
      let taking: { readonly error: unknown } | undefined;
      try {
        const access = await ask();
        return await runVia(
          script,
          { role: 'via', access, snapshot: { prefix, catalogue, ranges } },
          {
            take: async (block) => {
              try {
                return await take(block);
              } catch (error) {
                taking = { error };
                throw error;
              }
            },
            note: (text) => options.note(text),
            refresh: ask,
          },
          signal,
        );
      } catch (error) {
        throwIfAborted(signal);
        if (taking !== undefined) throw taking.error;
        if (error instanceof TowError && error.code === 'link-lost') throw error;
        // Whatever it is, the controller has the chunks.
        const note = error instanceof Error ? error.message : String(error);
        return { bytes: 0, damaged: [], noCatalogue: false, note: note.slice(0, 1000) };
      }
    },
  };
}
