import { posix } from 'node:path';
import { TowError } from '../../base/errors.ts';
import { displayPath } from '../../base/root-path.ts';
import type { EntryKind } from '../../chunk/entry.ts';
import { makeDirectory, mayWrite } from './make-directory.ts';
import { look } from './print.ts';

export interface Claim {
  /** Where the root lies (absolute, latin1) and its destination as the task writes it. */
  readonly root: string;
  readonly dest: string;
  /** What the source is. */
  readonly kind: EntryKind;
  /** What Towline has put there so far. */
  readonly ours: EntryKind | undefined;
  readonly inHome: boolean;
  /** Whether sudo may be asked. */
  readonly sudo: boolean;
}

/**
 * Sees to it that the account can put the root where it belongs, before anything is fetched. A root that is a directory
 * may lie in one that the account cannot write in: it is then made by sudo, and filled where it is instead of appearing by
 * one rename. Throws `mount-destination-refused`. Blocking.
 */
export function claimRoot({ root, dest, kind, ours, inHome, sudo }: Claim): void {
  if (kind === 'unknown') return;
  const refuse = (why: string, hint: string): TowError =>
    new TowError('mount-destination-refused', `cannot sync to ${displayPath(dest)}: ${why}`, { hint });
  const shown = displayPath(root);
  const parent = posix.dirname(root);
  const stats = look(Buffer.from(root, 'latin1'));
  if (stats?.isDirectory() === true && kind === 'dir') {
    // One that is the account's own can be opened for a while, whatever its mode.
    if (isOwn(stats) || mayWrite(root)) return;
    throw refuse(
      `the account may not write in ${shown}, which is there already`,
      `give it that right on the node, or choose a directory in it`,
    );
  }
  if (stats?.isDirectory() === true && !inHome && ours === undefined)
    throw refuse(`${shown} is a directory on the node, the source is a file`, `name the file: ${shown}/NAME`);
  if (mayWrite(parent) || isOwn(look(Buffer.from(parent, 'latin1')))) return;
  if (kind !== 'dir' || stats !== undefined)
    throw refuse(
      `the account may not write in ${displayPath(parent)}`,
      'give it that right on the node, or choose a destination in a directory of its own',
    );
  makeDirectory(root, dest, sudo);
}

/** Whether mode and times of something are this account's to set. */
export function isOwn(stats: { readonly uid: bigint } | undefined): boolean {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 || stats?.uid === BigInt(uid);
}
