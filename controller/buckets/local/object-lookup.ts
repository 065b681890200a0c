import { TowError } from '../../../protocol/base/errors.ts';
import { printOf } from '../../../protocol/pull/replica/print.ts';
import type { BucketFiles } from './bucket-files.ts';
import type { BucketIndex } from './bucket-index.ts';
import { type ByteKey, keyOf } from './bucket-key.ts';
import type { IndexEntry, Place } from './index-record.ts';
import { knownState, userState } from './object-state.ts';
import { lookAtFile, statOf } from './plain-place.ts';

/** How often something is looked at again that changes meanwhile. */
const patience = 8;

/** Finds objects by their key: what a file is says stat, what is said of it the index. */
export class ObjectLookup {
  readonly #files: BucketFiles;
  readonly #index: BucketIndex;

  constructor(files: BucketFiles, index: BucketIndex) {
    this.#files = files;
    this.#index = index;
  }

  /** The object of a key; undefined when there is none. Rejects with `object-changed` when it does not come to rest. */
  async look(key: ByteKey): Promise<IndexEntry | undefined> {
    const plain = this.#files.plainPath(key);
    for (let tries = 0; tries < patience; tries += 1) {
      const known = this.#index.get(key);
      const stats = plain === undefined ? undefined : await lookAtFile(this.#files, plain);
      if (stats !== undefined) {
        const state = await this.#stateOf(key, 'files', plain ?? '');
        if (state !== undefined) return state;
        continue;
      }
      if (known?.place === 'odd' || this.#index.placing(key)?.place === 'odd') {
        const state = await this.#stateOf(key, 'odd', this.#files.oddPath(key));
        if (state !== undefined) return state;
      }
      // It may have gone from one place to the other while we looked.
      if (known?.version === this.#index.get(key)?.version) return undefined;
    }
    throw new TowError('object-changed', `${keyOf(key)} changes all the time`, { retryable: true });
  }

  /** The object whose file is at its place, below which are only directories; undefined if there is no file. */
  async at(key: ByteKey, place: Place): Promise<IndexEntry | undefined> {
    return await this.#stateOf(key, place, this.#files.pathOf(place, key));
  }

  async #stateOf(key: ByteKey, place: Place, path: string): Promise<IndexEntry | undefined> {
    for (let tries = 0; tries < patience; tries += 1) {
      const stats = await statOf(path);
      if (stats?.isFile() !== true) return undefined;
      const print = printOf(stats);
      const state = knownState(this.#index, key, place, print);
      if (state !== undefined) return state;
      // Not known: unless it was replaced between the look at it and at the index.
      const again = await statOf(path);
      if (again !== undefined && printOf(again) === print)
        return knownState(this.#index, key, place, print) ?? userState(this.#index, key, place, again);
    }
    return undefined;
  }
}
