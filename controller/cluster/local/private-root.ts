/**
 * The root directory of a local node: a directory in its home in which every entry of the machine's `/` is shown by a
 * bind mount. What is made beside those entries lies in the node's home, and is nobody else's. Directories above a
 * destination are made the same way, one level after the other, so that the destination itself is not the machine's.
 */
import { lstat, readdir, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { isSharedDirectory, systemDirectoryOf } from '../../../protocol/base/system-directory.ts';

/** What of the machine's tree is not simply shown. */
export interface PrivatePaths {
  /** Directories of the machine whose entries are shown one by one, parents first. */
  readonly open: readonly string[];
  /** Those, and the destinations: never shown themselves. */
  readonly own: readonly string[];
}

/** Entries of a directory that are shown one by one at most: each is a mount, and takes a millisecond at every start. */
const maxEntries = 500;

/**
 * What must be private for these absolute destinations, as the machine is now. Those that the agent refuses are left out,
 * lest the system, or what is in `needed` (absolute), be hidden for them; and those in a directory with too many entries.
 */
export async function privatePaths(destinations: readonly string[], needed: readonly string[]): Promise<PrivatePaths> {
  const open = new Set<string>();
  const own = new Set<string>(['/tmp']);
  const around = await Promise.all(needed.map(throughSymlinks));
  for (const dest of destinations) {
    const path = await throughSymlinks(dest);
    if (systemDirectoryOf(path) !== undefined || isSharedDirectory(path)) continue;
    if (around.some((one) => one === path || one.startsWith(`${path}/`) || path.startsWith(`${one}/`))) continue;
    if (await isCrowded(posix.dirname(path))) continue;
    for (let end = path.indexOf('/', 1); end > 0; end = path.indexOf('/', end + 1)) {
      const above = path.slice(0, end);
      own.add(above);
      if ((await lstat(above).catch(() => undefined))?.isDirectory() === true) open.add(above);
    }
    own.add(path);
  }
  return { open: [...open].sort(), own: [...own] };
}

/** Whether a directory or one above it has too many entries. */
async function isCrowded(directory: string): Promise<boolean> {
  // The root is always shown, /tmp never is.
  if (directory === '/' || directory === '/tmp') return false;
  // What cannot be read has none to show.
  const entries = await readdir(directory).catch(() => []);
  return entries.length > maxEntries || (await isCrowded(posix.dirname(directory)));
}

/** The path with symlinks above its last name resolved, as far as there is something. */
async function throughSymlinks(path: string): Promise<string> {
  const parent = posix.dirname(path);
  if (parent === '/') return path;
  const real = await realpath(parent).catch(() => undefined);
  return posix.join(real ?? (await throughSymlinks(parent)), posix.basename(path));
}

/**
 * Builds $1 and makes it `/`, then runs the rest of the line. $2 becomes /tmp; $3 is the node's home; $4 (Towline's
 * state) and $5 (the bundle's directory) are shown again if they lie below /tmp. $6 and $7 are `open` and `own`, a line
 * each. The new root is unbindable, so that showing the directory it lies in does not show it once more. An entry that
 * was made here before the machine had one of that name stays. Nothing that may be a mount point is ever removed: a job
 * of an earlier agent may still see the mount.
 */
export const enterPrivateRoot = `
set -e
umask 022
PATH=$PATH:/usr/sbin:/sbin
root=$1 tmp=$2 home=$3 state=$4 bundle=$5 open=$6 own=$7; shift 7
nl='
'
empty() {
  for inside in "$1"/* "$1"/.[!.]* "$1"/..?*; do [ ! -e "$inside" ] && [ ! -L "$inside" ] || return 1; done
}
show() {
  if [ -L "$1" ]; then
    [ -e "$root$1" ] || [ -L "$root$1" ] || ln -s "$(readlink "$1")" "$root$1"
  elif [ -d "$1" ]; then
    [ ! -L "$root$1" ] || return 0
    if [ -d "$root$1" ]; then empty "$root$1" || return 0; else mkdir "$root$1" || return 0; fi
    mount --rbind "$1" "$root$1" || true
  elif [ -e "$1" ]; then
    [ ! -L "$root$1" ] && [ ! -d "$root$1" ] && [ ! -s "$root$1" ] || return 0
    : >>"$root$1"
    mount --bind "$1" "$root$1" || true
  fi
}
showEntries() {
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    case "$nl$own$nl" in *"$nl$entry$nl"*) ;; *) show "$entry";; esac
  done
}
mkdir -p "$root/tmp"
mount --bind "$root" "$root"
mount --make-unbindable "$root"
showEntries ''
while IFS= read -r directory; do
  [ -n "$directory" ] || continue
  mkdir -p "$root$directory"
  showEntries "$directory"
done <<END
$open
END
mount --bind "$tmp" "$root/tmp"
for shown in "$state" "$bundle"; do
  case "$shown" in /tmp/*) mkdir -p "$root$shown"; mount --rbind "$shown" "$root$shown";; esac
done
mkdir -p "$root/.machine"
pivot_root "$root" "$root/.machine"
cd "$home"
umount -l /.machine
exec "$@"
`;
