import { randomBytes } from 'node:crypto';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import type { SendFrame } from '../../protocol/pull/source/pack-sender.ts';
import type { ServeOptions, Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { ControllerMethods } from '../../protocol/wire/methods.ts';
import type { ForeseenPacks } from './foreseen-packs.ts';

interface Offer {
  readonly snapshot: Snapshot;
  readonly serve: ServeOptions;
  readonly foreseen: ForeseenPacks | undefined;
}

type PullHandlers = Pick<Handlers<ControllerMethods>, Extract<keyof ControllerMethods, `pull.${string}`>>;
/** Sends the files of a scan that goes on, until it is over. */
type SendFiles = (send: SendFrame, signal: AbortSignal) => Promise<void>;

/** Scans whose files are sent while they go on. */
const scansAtOnce = 4;

/**
 * The snapshots that nodes may pull now, and from whom: what a node asks for by id is served only if it was offered to
 * that node, so that no node reads another one's sources.
 */
export class SnapshotOffers {
  readonly #offers = new Map<string, Offer>();
  readonly #files = new Map<string, SendFiles>();
  #scans = 0;

  /** Offers a snapshot to a node until the returned function is called. */
  offer(keyId: string, snapshot: Snapshot, serve: ServeOptions, foreseen?: ForeseenPacks): () => void {
    const key = `${keyId} ${snapshot.id}`;
    this.#offers.set(key, { snapshot, serve, foreseen });
    return () => this.#offers.delete(key);
  }

  /** Takes one of the places for scans whose files are sent meanwhile: each holds some ten megabytes. Undefined if all are taken. */
  takeScan(): (() => void) | undefined {
    if (this.#scans >= scansAtOnce) return undefined;
    this.#scans += 1;
    return () => void (this.#scans -= 1);
  }

  /** Offers the files of a scan to a node, once, until `withdraw`. */
  offerFiles(keyId: string, send: SendFiles): { readonly id: string; readonly withdraw: () => void } {
    const id = `f-${randomBytes(8).toString('hex')}`;
    this.#files.set(`${keyId} ${id}`, send);
    return { id, withdraw: () => this.#files.delete(`${keyId} ${id}`) };
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
      'pull.files': async ({ offer }, { send, signal }) => {
        const key = `${keyId} ${offer}`;
        const files = this.#files.get(key);
        this.#files.delete(key);
        if (files === undefined) throw new TowError('source-changed', `files ${offer} are not on offer`);
        await files((...parts) => send(...parts), signal);
        return {};
      },
      'pull.manifest': async ({ snapshot }, { send, signal }) => {
        await find(snapshot).snapshot.sendManifest((block) => send(block), signal);
        return {};
      },
      'pull.chunks': async ({ snapshot, ranges }, { send, signal }) => {
        const offer = find(snapshot);
        await offer.snapshot.sendChunks(ranges, (...parts) => send(...parts), offer.serve, signal);
        return {};
      },
      'pull.foreseen': async ({ snapshot }, { send, signal }) => {
        await find(snapshot).foreseen?.sendTo((...parts) => send(...parts), signal);
        return {};
      },
      'pull.objects': async ({ snapshot, ranges }, { send, signal }) => {
        await find(snapshot).snapshot.sendObjects(ranges, (frame) => send(frame), signal);
        return {};
      },
      'pull.classify': async ({ snapshot, paths }, { signal }) => ({
        ignored: await find(snapshot).snapshot.classify(paths, signal),
      }),
    };
  }
}
