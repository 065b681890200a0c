/**
 * Puts back what the first lines of tow.js took out of the environment, so that Node did not read it at its start: it is
 * for whoever is started from here, and for jobs that ask for it.
 */
export function restoreExtraCertificates(env: Record<string, string | undefined>): void {
  const path = env['TOWLINE_EXTRA_CA_CERTS'];
  if (path === undefined) return;
  env['NODE_EXTRA_CA_CERTS'] = path;
  delete env['TOWLINE_EXTRA_CA_CERTS'];
}
