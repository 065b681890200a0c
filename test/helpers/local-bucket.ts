/** Buckets under a controller: directly, and as a node has them over a link. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalStore } from '../../controller/buckets/local/local-store.ts';

export interface OpenedStore<S> extends AsyncDisposable {
  readonly store: S;
  /** `~/.towline/buckets/NAME`. */
  readonly directory: string;
}

/** A bucket in a directory of its own, which goes with it. */
export async function openLocalStore(): Promise<OpenedStore<LocalStore>> {
  const top = mkdtempSync(join(tmpdir(), 'bucket-'));
  const directory = join(top, 'buckets', 'data');
  const store = new LocalStore({ directory, log: () => undefined });
  await store.createBucket(new AbortController().signal);
  return {
    store,
    directory,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      rmSync(top, { recursive: true, force: true });
    },
  };
}
