import { TowError } from '../../protocol/base/errors.ts';
import type { HeadAccess } from '../../protocol/wire/copied.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import { makeHeadKey } from '../cluster/head/head-key.ts';
import type { SyncNode } from './sync-root.ts';

/** What a worker is told of the head, as it is sent. */
export type HeadOffer = Omit<HeadAccess, 'secret'> & { readonly secret: Buffer<ArrayBuffer> };

/** How workers get at the head, or why they cannot. */
export type HeadFound =
  | { readonly access: HeadOffer; readonly failure: undefined }
  | { readonly access: undefined; readonly failure: string };

export interface CopiedPlace {
  /** latin1. */
  readonly dest: string;
  /** As `copySource` names it. */
  readonly source: string;
}

/** Has the head serve what it copied, while `work` runs. Rejects as `work`, and when there is no link to the head. */
export async function serveFromHead(
  head: SyncNode,
  { dest, source }: CopiedPlace,
  work: (found: HeadFound) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { keyId, secret, certificate, privateKey } = await makeHeadKey();
  const link = await head.link(signal);
  const stop = new AbortController();
  const found = new Promise<HeadFound>((resolve) => {
    const failed = (error: unknown): void =>
      resolve({ access: undefined, failure: error instanceof Error ? error.message : String(error) });
    link
      .call(
        'copy.serve',
        { dest: wireBytes(dest), source, key: { keyId, secret, certificate, privateKey } },
        { onEvent: (at) => resolve({ access: { keyId, secret, certificate, ...at }, failure: undefined }) },
        AbortSignal.any([signal, stop.signal]),
      )
      // It ends when it is cancelled, at the end here.
      .then(() => failed(new TowError('internal', 'it ended by itself')), failed);
  });
  try {
    await work(await found);
  } finally {
    stop.abort();
  }
}
