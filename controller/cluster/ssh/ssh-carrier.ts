import { TowError } from '../../../protocol/base/errors.ts';
import type { CommandContext } from '../../daemon/context.ts';
import type { NodeCarrier } from '../cluster-node.ts';
import { SshNode, type SshNodeOptions, uninstallSshNode } from './ssh-node.ts';

export type SshCarrierOptions = Pick<
  SshNodeOptions,
  'host' | 'identity' | 'dist' | 'build' | 'linkSocket' | 'stateDir' | 'cacheDir'
> & {
  readonly log: (line: string) => void;
};

/** A node reached by ssh. Its connection is made by the first command that needs it, and kept. */
export function sshCarrier(options: SshCarrierOptions): NodeCarrier {
  let node: SshNode | undefined;
  const connect = async (context: CommandContext, takeOver: boolean): Promise<void> => {
    const { env, login, signal } = context;
    node ??= new SshNode({
      ...options,
      env,
      login,
      takeOver,
      onState: (state, failure) =>
        options.log(`${options.host.host}: ${state}${failure === undefined ? '' : `: ${failure.message}`}`),
      onNote: (text) => context.emit({ type: 'note', level: 'warning', text }),
    });
    await node.reconnect({ env, login, takeOver }, signal);
  };
  return {
    create: connect,
    revive: (context) => connect(context, false),
    wake: async (signal) => await node?.wake(signal),
    reserve: async () => false,
    remove: async ({ env, login, signal }, purge) => {
      await node?.[Symbol.asyncDispose]();
      node = undefined;
      const { host, stateDir, identity } = options;
      await uninstallSshNode({ host, stateDir, env, login, keyId: identity.keyId, purge }, signal);
    },
    [Symbol.asyncDispose]: async () => {
      await node?.[Symbol.asyncDispose]();
      node = undefined;
    },
  };
}

/** A host that some cluster has already. */
export function hostInUse(host: string, cluster: string): TowError {
  return new TowError('node-in-use', `${host} belongs to cluster ${cluster}`, { hint: `tow down ${cluster} frees it` });
}
