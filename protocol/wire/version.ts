/**
 * Protocol versions. Add a line to the history with every bump.
 *  1  first version: hello, calls, streams with byte credits, pull of local sources, one job at a time
 *
 * A peer is accepted when each side's version is at least the other's minimum. Compatibility forks live at the boundary
 * that owns them and are tested on both sides of their cutoff.
 */
export const protocolVersion = 1;
export const minProtocolVersion = 1;

/** Things a build can do beyond its version; a peer uses one only if both sides named it. */
export const capabilities = ['pull', 'jobs', 'conflicts', 'pack-brotli', 'git-objects'] as const;
