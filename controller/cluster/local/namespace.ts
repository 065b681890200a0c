/**
 * A mount namespace for a local node, whose root directory is the node's own (private-root.ts). As root by `unshare -m`,
 * else in a user namespace that maps the user to itself, so that jobs run as who they are.
 */
import { dirname, join } from 'node:path';
import { enterPrivateRoot, type PrivatePaths } from './private-root.ts';
import { runLocal } from './run-local.ts';

export interface NamespaceOptions {
  /** Home of the node, below Towline's own directory. */
  readonly home: string;
  /** `agent.mjs`. */
  readonly bundle: string;
  readonly paths: PrivatePaths;
}

/** A file system that hangs must not keep a node from starting. */
const trialMs = 10_000;

/** Words to put before a command so that it runs in a root directory of the node's own; undefined where that cannot be had. */
export async function namespaceCommand(
  { home, bundle, paths }: NamespaceOptions,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if (process.platform !== 'linux') return undefined;
  const root = process.getuid?.() === 0;
  const unshare = root ? ['-m'] : ['-U', '--map-current-user', '--keep-caps', '-m'];
  const drop = root ? [] : ['setpriv', '--ambient-caps=-all', '--inh-caps=-all', '--bounding-set=-all'];
  const state = home.replace(/\/local\/[^/]+\/[^/]+$/, '');
  const fixed = [join(home, '.root'), join(home, '.tmp'), home, state, dirname(bundle)];
  const lists = [paths.open, paths.own].map((list) => list.join('\n'));
  const args = [...unshare, 'sh', '-c', enterPrivateRoot, 'sh', ...fixed, ...lists, ...drop];
  try {
    // Tried with nothing but a look: kernels, containers and policies forbid namespaces in many ways.
    const tried = await runLocal(
      'unshare',
      [...args, 'test', '-e', bundle, '-a', '-d', home],
      { env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }, input: '' },
      AbortSignal.any([signal, AbortSignal.timeout(trialMs)]),
    );
    return tried.code === 0 ? ['unshare', ...args] : undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}
