/**
 * Copies of what lies in object stores as indexes, on this machine's disk, so that a change of the source need not fetch
 * them; and which catalogue a snapshot was published as. All of it may be lost at any time.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';
import { type Digest, digestHex } from '../../protocol/chunk/digest.ts';
import { decodePackIndex, type PackedBlock } from '../../protocol/via/pack-index.ts';
import { digestOfHex } from '../../protocol/via/via-keys.ts';

export interface Published {
  readonly catalogue: Digest;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly at: number;
}

const publishedSchema = v.object({ catalogue: v.string(), at: v.number() });
/** Records of snapshots that were published so long ago are of no use. */
const forgottenAfterMs = 60 * 24 * 3600 * 1000;

/** One a bucket and prefix, in a directory of its own. Nothing is fsynced: what is torn is dropped. */
export class IndexCache {
  readonly #index: string;
  readonly #published: string;

  constructor(directory: string) {
    this.#index = join(directory, 'index');
    this.#published = join(directory, 'published');
  }

  /** Packs whose index is here. */
  async packs(): Promise<Digest[]> {
    return (await namesIn(this.#index)).flatMap((name) => digestOfHex(name) ?? []);
  }

  /** Undefined when there is none, or a damaged one, which is removed. */
  async blocks(pack: Digest): Promise<PackedBlock[] | undefined> {
    const path = join(this.#index, digestHex(pack));
    const bytes = await readIfThere(path);
    if (bytes === undefined) return undefined;
    try {
      return decodePackIndex(bytes);
    } catch (error) {
      if (!(error instanceof TowError)) throw error;
      await rm(path, { force: true });
      return undefined;
    }
  }

  async keep(pack: Digest, index: Uint8Array): Promise<void> {
    await replace(this.#index, digestHex(pack), index);
  }

  async drop(pack: Digest): Promise<void> {
    await rm(join(this.#index, digestHex(pack)), { force: true });
  }

  async published(snapshot: Digest): Promise<Published | undefined> {
    const bytes = await readIfThere(join(this.#published, digestHex(snapshot)));
    if (bytes === undefined) return undefined;
    const read = v.safeParse(publishedSchema, parsed(bytes.toString()));
    const catalogue = read.success ? digestOfHex(read.output.catalogue) : undefined;
    return read.success && catalogue !== undefined ? { catalogue, at: read.output.at } : undefined;
  }

  /** Notes what a snapshot was published as, and forgets what is long past. */
  async publish(snapshot: Digest, { catalogue, at }: Published): Promise<void> {
    await replace(this.#published, digestHex(snapshot), JSON.stringify({ catalogue: digestHex(catalogue), at }));
    for (const name of await namesIn(this.#published)) {
      const path = join(this.#published, name);
      const modified = await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => at,
      );
      if (modified < at - forgottenAfterMs) await rm(path, { force: true });
    }
  }

  /** Of a snapshot whose catalogue, or what it points at, turned out damaged. */
  async unpublish(snapshot: Digest): Promise<void> {
    await rm(join(this.#published, digestHex(snapshot)), { force: true });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function replace(directory: string, name: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temp = join(directory, `.${name}.${randomBytes(4).toString('hex')}`);
  await writeFile(temp, bytes, { mode: 0o600 });
  await rename(temp, join(directory, name));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
