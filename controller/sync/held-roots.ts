import type { Manifest } from '../../protocol/chunk/manifest.ts';
import type { Snapshot } from '../../protocol/pull/source/snapshot.ts';

/**
 * What each node's roots are known to be, since a pull ended there: so that the next one can send the difference along.
 * In memory only, and no more than a belief: the agent checks it. Manifests share what did not change.
 */
export class HeldRoots {
  readonly #held = new Map<string, Pick<Snapshot, 'manifest' | 'digest'>>();

  get(keyId: string, dest: string): { readonly manifest: Manifest; readonly digest: Snapshot['digest'] } | undefined {
    return this.#held.get(`${keyId} ${dest}`);
  }

  set(keyId: string, dest: string, { manifest, digest }: Snapshot): void {
    this.#held.set(`${keyId} ${dest}`, { manifest, digest });
  }

  delete(keyId: string, dest: string): void {
    this.#held.delete(`${keyId} ${dest}`);
  }

  /** Forgets a node. */
  drop(keyId: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${keyId} `)) this.#held.delete(key);
  }
}
