const names = new Set([
  'HOME',
  'PATH',
  'SSH_AUTH_SOCK',
  'XDG_CONFIG_HOME',
  'USER',
  'LANG',
  'DISPLAY',
  'SSH_ASKPASS',
  'TERM',
]);
const prefixes = ['AWS_', 'GOOGLE_', 'CLOUDSDK_', 'GIT_CONFIG_'];
const proxies = /^(?:https?|all|no)_proxy$/i;

/** The variables of the CLI that a request carries: those that matter to ssh, git and clouds, and those `--env K` names. */
export function requestEnv(
  env: Readonly<Record<string, string | undefined>>,
  wanted: readonly string[],
): Record<string, string> {
  const carried: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (
      names.has(name) ||
      proxies.test(name) ||
      prefixes.some((prefix) => name.startsWith(prefix)) ||
      wanted.includes(name)
    )
      carried[name] = value;
  }
  return carried;
}
