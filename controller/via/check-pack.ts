import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { type Digest, digestOf } from '../../protocol/chunk/digest.ts';
import { unpackBody } from '../../protocol/chunk/pack.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import {
  decodePackIndex,
  maxPackIndexBytes,
  maxStoredPackBytes,
  type PackedBlock,
} from '../../protocol/via/pack-index.ts';
import { readObject } from '../../protocol/via/read-object.ts';
import { viaKey } from '../../protocol/via/via-keys.ts';

/**
 * Looks into a pack that a node found damaged, since nodes may err. If it is, its index is removed, so that nobody relies
 * on it any more and its chunks are published anew; gc removes the rest. Returns whether it is sound. Rejects as the store does.
 */
export async function checkPack(
  store: ObjectStore,
  prefix: string,
  pack: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const index = await readObject(store, viaKey(prefix, 'index', pack), maxPackIndexBytes, signal);
    const blocks = decodePackIndex(index);
    const bytes = await readObject(store, viaKey(prefix, 'packs', pack), maxStoredPackBytes, signal);
    if (digestOf(bytes) === pack && blocksHold(blocks, bytes)) return true;
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof TowError) || !isDamage.has(error.code)) throw error;
  }
  await store.delete(viaKey(prefix, 'index', pack), signal);
  return false;
}

const isDamage = new Set(['object-missing', 'object-corrupt', 'bad-message', 'limit-exceeded']);

/** Blocking. Throws `bad-message`. */
function blocksHold(blocks: readonly PackedBlock[], bytes: Buffer): boolean {
  let offset = 0;
  for (const { length, codec, rawLength, chunks } of blocks) {
    const raw = unpackBody({ codec, rawLength, runs: [], body: bytes.subarray(offset, offset + length) });
    offset += length;
    let at = 0;
    for (const chunk of chunks) {
      if (digestOf(raw.subarray(at, at + chunk.length)) !== chunk.digest) return false;
      at += chunk.length;
    }
  }
  return true;
}
