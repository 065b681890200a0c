import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import { type Digest, digestOf } from '../../protocol/chunk/digest.ts';
import { unpackBody } from '../../protocol/chunk/pack.ts';
import { listAll } from '../../protocol/store/list-all.ts';
import type { ObjectStore } from '../../protocol/store/object-store.ts';
import {
  decodePackIndex,
  maxPackIndexBytes,
  maxStoredPackBytes,
  type PackedBlock,
} from '../../protocol/via/pack-index.ts';
import { readObject } from '../../protocol/via/read-object.ts';
import { viaFolder, viaKey, viaName } from '../../protocol/via/via-keys.ts';
import type { IndexCache } from './index-cache.ts';

/**
 * Looks into packs that nodes found damaged, since nodes may err. Of one that is, the index is removed, so that nobody relies
 * on it any more and its chunks are published anew; gc removes the rest. Packs that are gone are found by a listing,
 * however many they are; into the others `suspects` one after the other. Returns how many were amiss. Rejects as the store does.
 */
export async function mendPacks(
  store: ObjectStore,
  prefix: string,
  cache: IndexCache,
  suspects: readonly Digest[],
  signal: AbortSignal,
): Promise<number> {
  // Before the listing: a pack is put before its index.
  const known = new Set([...(await cache.packs()), ...suspects]);
  for await (const page of listAll(store, viaFolder(prefix, 'packs'), signal)) {
    for (const { key } of page) {
      const pack = viaName(prefix, 'packs', key);
      if (pack !== undefined) known.delete(pack);
    }
  }
  const amiss = [...known];
  for (const pack of suspects) if (!known.has(pack) && !(await isSound(store, prefix, pack, signal))) amiss.push(pack);
  for (let at = 0; at < amiss.length; at += 1000) {
    const some = amiss.slice(at, at + 1000);
    await store.deleteMany(
      some.map((pack) => viaKey(prefix, 'index', pack)),
      signal,
    );
    for (const pack of some) await cache.drop(pack);
  }
  return amiss.length;
}

async function isSound(store: ObjectStore, prefix: string, pack: Digest, signal: AbortSignal): Promise<boolean> {
  try {
    const index = await readObject(store, viaKey(prefix, 'index', pack), maxPackIndexBytes, signal);
    const blocks = decodePackIndex(index);
    const bytes = await readObject(store, viaKey(prefix, 'packs', pack), maxStoredPackBytes, signal);
    return digestOf(bytes) === pack && blocksHold(blocks, bytes);
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof TowError) || !isDamage.has(error.code)) throw error;
    return false;
  }
}

const isDamage = new Set(['object-missing', 'object-corrupt', 'bad-message', 'limit-exceeded']);

/** Blocking. Throws `bad-message`. */
function blocksHold(blocks: readonly PackedBlock[], bytes: Buffer): boolean {
  let offset = 0;
  for (const { length, codec, rawLength, chunks } of blocks) {
    const raw = unpackBody({ codec, rawLength, body: bytes.subarray(offset, offset + length) });
    offset += length;
    let at = 0;
    for (const chunk of chunks) {
      if (digestOf(raw.subarray(at, at + chunk.length)) !== chunk.digest) return false;
      at += chunk.length;
    }
  }
  return true;
}
