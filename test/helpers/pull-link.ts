/** A source and a replica with a real link between them, whose calls are counted; both in this process, but for their threads. */
import { storeHandlers } from '../../controller/buckets/local/store-handlers.ts';
import { ForeseenPacks } from '../../controller/sync/foreseen-packs.ts';
import { SnapshotOffers } from '../../controller/sync/snapshot-offers.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { acceptLink, openLink } from '../../protocol/link/open-link.ts';
import { Replica } from '../../protocol/pull/replica/replica.ts';
import { RootGate } from '../../protocol/pull/replica/root-gate.ts';
import type { ServeOptions, Snapshot } from '../../protocol/pull/source/snapshot.ts';
import { limits } from '../../protocol/wire/limits.ts';
import {
  type AgentMethods,
  agentMethods,
  type ControllerMethods,
  controllerMethods,
} from '../../protocol/wire/methods.ts';
import type { PullResult } from '../../protocol/wire/pull.ts';
import { bundle } from './job-node.ts';
import { never, secret, secretOf } from './link-pair.ts';
import { sessionOptions } from './pull.ts';
import { type SocketPair, socketPair } from './socket-pair.ts';

const refuse = async (): Promise<never> => {
  throw new TowError('not-supported', 'pulls only');
};

export const nothingOfAgents: Handlers<AgentMethods> = {
  'node.info': refuse,
  'node.stop': refuse,
  'pull.run': refuse,
  'pull.advance': refuse,
  'pull.early': refuse,
  'copy.run': refuse,
  'copy.serve': refuse,
  'conflicts.list': refuse,
  'conflicts.restore': refuse,
  'conflicts.prune': refuse,
  'job.expect': refuse,
  'job.start': refuse,
  'job.state': refuse,
  'job.log': refuse,
  'job.cancel': refuse,
  'job.list': refuse,
};

export class PullLink implements AsyncDisposable {
  readonly replica = new Replica(bundle, new RootGate());
  /** Calls of the agent since they were last looked at. */
  readonly calls: string[];
  readonly #offers: SnapshotOffers;
  readonly #node: string;
  readonly #sockets: SocketPair;
  readonly #link: Link<ControllerMethods>;

  private constructor(
    node: string,
    sockets: SocketPair,
    link: Link<ControllerMethods>,
    calls: string[],
    offers: SnapshotOffers,
  ) {
    this.#node = node;
    this.#sockets = sockets;
    this.#link = link;
    this.calls = calls;
    this.#offers = offers;
  }

  static async make(node: string): Promise<PullLink> {
    const calls: string[] = [];
    const offers = new SnapshotOffers();
    const sockets = await socketPair('unix');
    const pulls = offers.handlersFor('key');
    const handlers = {
      ...pulls,
      'pull.manifest': noting(calls, 'pull.manifest', pulls['pull.manifest']),
      'pull.chunks': noting(calls, 'pull.chunks', pulls['pull.chunks']),
      'pull.objects': noting(calls, 'pull.objects', pulls['pull.objects']),
      'pull.classify': noting(calls, 'pull.classify', pulls['pull.classify']),
      'pull.foreseen': noting(calls, 'pull.foreseen', pulls['pull.foreseen']),
      ...storeHandlers(() => {
        throw new Error('nothing is served');
      }),
      'bucket.access': refuse,
    };
    const [link] = await Promise.all([
      openLink(
        sockets.dialler,
        {
          local: agentMethods,
          remote: controllerMethods,
          handlers: nothingOfAgents,
          keyId: 'key',
          secret,
          build: 'b1',
        },
        never,
      ),
      acceptLink(
        sockets.listener,
        { secretOf, build: 'b2', partsFor: () => ({ local: controllerMethods, remote: agentMethods, handlers }) },
        never,
      ),
    ]);
    return new PullLink(node, sockets, link, calls, offers);
  }

  /** Pulls a snapshot as a controller would have it pulled that believes the root to be `base`. */
  async pull(
    snapshot: Snapshot,
    serve: ServeOptions,
    base: Pick<Snapshot, 'manifest' | 'digest'> | undefined,
    signal: AbortSignal = never,
  ): Promise<PullResult> {
    const delta = await (base && snapshot.deltaFrom(base.manifest, limits.callPayloadBytes, serve, signal));
    await using foreseen = delta?.sendForeseen && new ForeseenPacks(delta.sendForeseen, signal);
    const withdraw = this.#offers.offer('key', snapshot, serve, foreseen);
    try {
      const { manifest, digest } = snapshot;
      return await this.replica.pull(
        this.#link,
        {
          session: sessionOptions({ manifest, digest, chunks: [] }, { node: this.#node }),
          snapshot: snapshot.id,
          delta: base && delta && { base: base.digest, bytes: delta.bytes },
          foreseen: foreseen !== undefined,
          ignored: delta?.ignored,
          objects: delta?.objects ?? snapshot.hasObjectsFor(serve),
          store: undefined,
          onEvent: () => undefined,
        },
        signal,
      );
    } finally {
      withdraw();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.replica[Symbol.asyncDispose]();
    await this.#sockets[Symbol.asyncDispose]();
  }
}

/** The same call, which notes its name first. */
function noting<A extends readonly unknown[], R>(calls: string[], name: string, call: (...args: A) => R) {
  return (...args: A): R => {
    calls.push(name);
    return call(...args);
  };
}
