import { join } from 'node:path';
import { toTowError } from '../../protocol/base/errors.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { acceptLink } from '../../protocol/link/open-link.ts';
import { listenUnix } from '../../protocol/link/transport.ts';
import {
  type AgentMethods,
  agentMethods,
  type ControllerMethods,
  controllerMethods,
} from '../../protocol/wire/methods.ts';

export interface LinkListenerOptions {
  /** `~/.towline/controller`. */
  readonly directory: string;
  readonly build: string;
  secretOf(keyId: string): Uint8Array | undefined;
  handlersFor(keyId: string): Handlers<ControllerMethods>;
  onLink(link: Link<AgentMethods>): void;
  log(line: string): void;
}

/** The socket that agents dial. */
export function linkSocketPath(directory: string): string {
  return join(directory, 'link.sock');
}

/** Accepts agents until disposed of. What fails to authenticate is logged and dropped. */
export async function listenForAgents(options: LinkListenerOptions, signal: AbortSignal): Promise<AsyncDisposable> {
  return await listenUnix(linkSocketPath(options.directory), (socket) => {
    const parts = (keyId: string) => ({
      local: controllerMethods,
      remote: agentMethods,
      handlers: options.handlersFor(keyId),
    });
    acceptLink(
      socket,
      { secretOf: (keyId) => options.secretOf(keyId), build: options.build, partsFor: parts },
      signal,
    ).then(
      (link) => options.onLink(link),
      (error: unknown) => {
        const { code, message } = toTowError(error, 'an agent');
        options.log(`an agent was not accepted: ${code}: ${message}`);
      },
    );
  });
}
