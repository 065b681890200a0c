/** What lies where below the prefix of a `--via`. No name is ever put twice with other bytes. */
import { asDigest, type Digest, digestHex } from '../chunk/digest.ts';

export const viaKinds = ['packs', 'index', 'snapshots'] as const;
/** `packs`: chunks; `index`: what is in a pack, by its name; `snapshots`: where the chunks of a snapshot are (catalogues). */
export type ViaKind = (typeof viaKinds)[number];

/** Longest prefix, in UTF-16 units: services take keys of 1024 bytes. */
export const maxViaPrefix = 800;

/** Below a prefix without a slash at its end; another layout gets another version. */
function viaTop(prefix: string): string {
  return prefix === '' ? 'towline-v1/' : `${prefix}/towline-v1/`;
}

/** What all objects of a kind begin with. */
export function viaFolder(prefix: string, kind: ViaKind): string {
  return `${viaTop(prefix)}${kind}/`;
}

export function viaKey(prefix: string, kind: ViaKind, name: Digest): string {
  return `${viaFolder(prefix, kind)}${digestHex(name)}`;
}

/** Put again by each gc, to learn what time it is at the store. */
export function viaClockKey(prefix: string): string {
  return `${viaTop(prefix)}clock`;
}

/** The name of an object that was listed; undefined for one that is not ours. */
export function viaName(prefix: string, kind: ViaKind, key: string): Digest | undefined {
  const folder = viaFolder(prefix, kind);
  return key.startsWith(folder) ? digestOfHex(key.slice(folder.length)) : undefined;
}

export function digestOfHex(text: string): Digest | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? asDigest(Buffer.from(text, 'hex').toString('latin1')) : undefined;
}
