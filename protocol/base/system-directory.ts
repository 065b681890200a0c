/** Directories that belong to a machine's system: below these nothing is mounted, on any node. */
const closed =
  '/bin /boot /dev /etc /lib /lib32 /lib64 /libx32 /proc /run /sbin /sys /usr /var/cache /var/lib /var/lock /var/log /var/run /var/spool'.split(
    ' ',
  );
/** But below these in them. */
const open = ['/usr/local'];
const shared = new Set('/ /home /media /mnt /opt /root /srv /tmp /usr/local /var /var/opt /var/tmp'.split(' '));

/** The system's directory that `path` (absolute, normalised) is or lies in; undefined if there is none. */
export function systemDirectoryOf(path: string): string | undefined {
  if (open.some((directory) => path === directory || path.startsWith(`${directory}/`))) return undefined;
  return closed.find((directory) => path === directory || path.startsWith(`${directory}/`));
}

/** Whether a directory is there on every machine for many to use: no root itself, as a root gets the mode of its source. */
export function isSharedDirectory(path: string): boolean {
  return shared.has(path);
}
