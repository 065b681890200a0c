/** A path of a git setting with `~/` expanded; undefined for the home of somebody else, which is not looked up. */
export function expandHome(path: string, home: string): string | undefined {
  if (path === '~') return home;
  if (path.startsWith('~/')) return `${home}${path.slice(1)}`;
  return path.startsWith('~') ? undefined : path;
}
