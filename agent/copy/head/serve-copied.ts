/** The head's side of `sync: {fetch: head}`: listens for workers, and serves them what it has copied. */
import { join } from 'node:path';
import { TowError } from '../../../protocol/base/errors.ts';
import { acceptLink } from '../../../protocol/link/open-link.ts';
import { listenTls } from '../../../protocol/link/tls-transport.ts';
import { type DestinationRules, resolveDestination } from '../../../protocol/pull/replica/destination.ts';
import { headMethods } from '../../../protocol/wire/copied.ts';
import { buildId } from '../../build-id.ts';
import { readCopyLedger } from '../copy-ledger.ts';
import { copiedFiles } from './copied-files.ts';

export interface HeadKey {
  readonly keyId: string;
  /** 32 bytes, latin1. */
  readonly secret: string;
  /** Both PEM. */
  readonly certificate: string;
  readonly privateKey: string;
}

export interface ServeCopiedOptions {
  /** Of this node, where workers can reach it. */
  readonly address: string;
  readonly key: HeadKey;
  /** Destination as the task writes it; latin1. */
  readonly dest: string;
  readonly rules: DestinationRules;
  /** `copies/KEY` of the agent. */
  readonly stateDir: string;
  /** What the ledger must be of. */
  readonly source: string;
}

/** Disposing of it cuts the links. Rejects with `object-missing` when nothing was copied from there, and `io`. */
export async function serveCopied(
  options: ServeCopiedOptions,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<AsyncDisposable & { readonly port: number }> {
  const { address, dest, key, rules, source, stateDir } = options;
  const ledger = readCopyLedger(join(stateDir, 'ledger'));
  if (ledger?.source !== source) throw new TowError('object-missing', 'the head has no copy of this place');
  const handlers = copiedFiles(resolveDestination(dest, rules), ledger);
  const parts = { local: headMethods, handlers, remote: {} };
  const build = buildId();
  const secret = Buffer.from(key.secret, 'latin1');
  return await listenTls({ address, certificate: key.certificate, privateKey: key.privateKey }, (socket) => {
    acceptLink(
      socket,
      { secretOf: (keyId) => (keyId === key.keyId ? secret : undefined), build, partsFor: () => parts },
      signal,
    ).catch((error: unknown) => log(`a worker was not accepted: ${String(error)}`));
  });
}
