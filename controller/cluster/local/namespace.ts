/**
 * A mount namespace for a local node, in which `/tmp` is a directory of its own. As root by `unshare -m`, else in a user
 * namespace that maps the user to itself, so that jobs run as who they are.
 */
import { dirname } from 'node:path';
import { runLocal } from './run-local.ts';

/**
 * Binds $1 over /tmp, then shows two directories ($2: Towline's state, $3: the bundle's) again at their old places if they
 * lie below /tmp; they are held open meanwhile, as their paths lead nowhere once /tmp is covered. `-c` keeps mount(8)
 * from turning the descriptor back into such a path. Then runs the rest of the line.
 */
const enter = `
set -e
tmp=$1 state=$2 bundle=$3; shift 3
exec 8<"$state" 9<"$bundle"
mount --make-rprivate / 2>/dev/null || true
mount --bind "$tmp" /tmp
case "$state" in /tmp/*) mkdir -p "$state"; mount -c --bind /proc/self/fd/8 "$state";; esac
case "$bundle" in /tmp/*) mkdir -p "$bundle"; mount -c --bind /proc/self/fd/9 "$bundle";; esac
exec 8<&- 9<&-
exec "$@"
`;

export interface NamespaceOptions {
  /** Home of the node, below Towline's own directory. */
  readonly home: string;
  /** What is to be its /tmp. */
  readonly tmp: string;
  /** `agent.mjs`. */
  readonly bundle: string;
}

/** Words to put before a command so that it runs with `tmp` as its /tmp; undefined where that cannot be had. */
export async function namespaceCommand(
  { home, tmp, bundle }: NamespaceOptions,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if (process.platform !== 'linux') return undefined;
  const root = process.getuid?.() === 0;
  const unshare = root ? ['unshare', '-m'] : ['unshare', '-U', '--map-current-user', '--keep-caps', '-m'];
  const drop = root ? [] : ['setpriv', '--ambient-caps=-all', '--inh-caps=-all', '--bounding-set=-all'];
  const state = home.replace(/\/local\/[^/]+\/[^/]+$/, '');
  const command = [...unshare, 'sh', '-c', enter, 'sh', tmp, state, dirname(bundle), ...drop];
  const [program, ...args] = command;
  if (program === undefined) return undefined;
  try {
    // Tried with nothing but a look: kernels, containers and policies forbid namespaces in many ways.
    const tried = await runLocal(
      program,
      [...args, 'test', '-e', bundle, '-a', '-d', home],
      { env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }, input: '' },
      signal,
    );
    return tried.code === 0 ? command : undefined;
  } catch {
    return undefined;
  }
}
