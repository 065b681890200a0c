/**
 * A mount namespace for a local node, in which `/tmp` is a directory of its own. As root by `unshare -m`, else in a user
 * namespace that maps the user to itself, so that jobs run as who they are.
 */
import { runLocal } from './run-local.ts';

/**
 * Binds $2 over /tmp, then shows the home ($1) again at its old place if it lies below /tmp; the home is held open
 * meanwhile, as its path leads nowhere once /tmp is covered. Then runs the rest of the line.
 */
const enter = `
set -e
home=$1 tmp=$2; shift 2
state=\${home%/.towline/local/*}/.towline
exec 9<"$state"
mount --make-rprivate / 2>/dev/null || true
mount --bind "$tmp" /tmp
case "$state" in /tmp/*) mkdir -p "$state"; mount --bind /proc/self/fd/9 "$state";; esac
exec 9<&-
exec "$@"
`;

/** Words to put before a command so that it runs with `tmp` as its /tmp; undefined where that cannot be had. */
export async function namespaceCommand(home: string, tmp: string, signal: AbortSignal): Promise<readonly string[] | undefined> {
  if (process.platform !== 'linux') return undefined;
  const root = process.getuid?.() === 0;
  const unshare = root ? ['unshare', '-m'] : ['unshare', '-U', '--map-current-user', '--keep-caps', '-m'];
  const drop = root ? [] : ['setpriv', '--ambient-caps=-all', '--inh-caps=-all', '--bounding-set=-all'];
  const command = [...unshare, 'sh', '-c', enter, 'sh', home, tmp, ...drop];
  const [program, ...args] = command;
  if (program === undefined) return undefined;
  try {
    // Tried with nothing but a look: kernels, containers and policies forbid namespaces in many ways.
    const tried = await runLocal(program, [...args, 'test', '-d', home], { env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }, input: '' }, signal);
    return tried.code === 0 ? command : undefined;
  } catch {
    return undefined;
  }
}
