import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import type { ServeOptions, Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { ControllerMethods } from '../../protocol/wire/methods.ts';

interface Offer {
  readonly snapshot: Snapshot;
  readonly serve: ServeOptions;
}

type PullHandlers = Pick<Handlers<ControllerMethods>, 'pull.manifest' | 'pull.chunks' | 'pull.classify'>;

/**
 * The snapshots that nodes may pull now, and from whom: what a node asks for by id is served only if it was offered to
 * that node, so that no node reads another one's sources.
 */
export class SnapshotOffers {
  readonly #offers = new Map<string, Offer>();

  /** Offers a snapshot to a node until the returned function is called. */
  offer(keyId: string, snapshot: Snapshot, serve: ServeOptions): () => void {
    const key = `${keyId} ${snapshot.id}`;
    this.#offers.set(key, { snapshot, serve });
    return () => this.#offers.delete(key);
  }

  /** What the controller serves to the node with this key. */
  handlersFor(keyId: string): PullHandlers {
    const find = (id: string): Offer => {
      const offer = this.#offers.get(`${keyId} ${id}`);
      if (offer === undefined)
        throw new TowError('source-changed', `snapshot ${id} is not on offer`, { retryable: true });
      return offer;
    };
    return {
      'pull.manifest': async ({ snapshot }, { send, signal }) => {
        await find(snapshot).snapshot.sendManifest((block) => send(block), signal);
        return {};
      },
      'pull.chunks': async ({ snapshot, ranges }, { send, signal }) => {
        const offer = find(snapshot);
        await offer.snapshot.sendChunks(ranges, (...parts) => send(...parts), offer.serve, signal);
        return {};
      },
      'pull.classify': async ({ snapshot, paths }, { signal }) => ({
        ignored: await find(snapshot).snapshot.classify(paths, signal),
      }),
    };
  }
}
