/**
 * What may stand for a host in a pool. The words end up as arguments of `ssh`, and in commands that the user's ssh
 * config builds from them (`ProxyCommand … %h`), so nothing that a shell or ssh's option parser reads is let through.
 */

/** A host name, an address (IPv6 with its zone too), or an alias of the user's ssh config. */
export function isHostName(text: string): boolean {
  return /^[A-Za-z0-9_.:][A-Za-z0-9_.:%+-]{0,254}$/.test(text);
}

/** An account on a host; `DOMAIN\user` and `user@realm` are accounts too. */
export function isUserName(text: string): boolean {
  return /^[A-Za-z0-9_.][A-Za-z0-9_.@+\\-]{0,254}$/.test(text) && !text.endsWith('\\');
}

/** A path of a private key: absolute, or below `~`. */
export function isIdentityPath(text: string): boolean {
  return /^(?:\/|~\/)[^\0-\x1f\x7f]{1,4094}$/.test(text);
}

export function isPoolName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text);
}
