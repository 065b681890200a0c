/** Directories that belong to a machine's system: below these nothing is synced, on any node. */
const closed = [
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var/cache',
  '/var/lib',
  '/var/lock',
  '/var/log',
  '/var/run',
  '/var/spool',
];
/** But below these in them. */
const open = ['/usr/local'];
/** What every machine has for many to use: only below these, for a root's own directory gets the source's mode. */
const shared = [
  '/',
  '/home',
  '/media',
  '/mnt',
  '/opt',
  '/root',
  '/srv',
  '/tmp',
  '/usr/local',
  '/var',
  '/var/opt',
  '/var/tmp',
];

/** The system's directory for whose sake nothing is synced to `path` (absolute, normalised); undefined if there is none. */
export function systemDirectoryOf(path: string): string | undefined {
  if (shared.includes(path)) return path;
  if (open.some((directory) => path.startsWith(`${directory}/`))) return undefined;
  return closed.find((directory) => path === directory || path.startsWith(`${directory}/`));
}
