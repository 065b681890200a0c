/** What the controller remembers of a cluster: `controller/clusters/NAME.json`, 0600 because it has the nodes' secrets. */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';
import { identitySchema } from '../../protocol/wire/enrol.ts';

const nodeSchema = v.object({
  /** `head`, or `worker1` … */
  name: v.string(),
  identity: identitySchema,
  /** ssh nodes only. */
  host: v.optional(
    v.object({
      pool: v.string(),
      host: v.string(),
      user: v.optional(v.string()),
      identityFile: v.optional(v.string()),
      port: v.optional(v.number()),
    }),
  ),
  /** Local nodes only: home, and whether /tmp is the node's own. */
  local: v.optional(v.object({ home: v.string() })),
});
export type NodeState = v.InferOutput<typeof nodeSchema>;

const clusterSchema = v.object({
  version: v.literal(1),
  /** Random: tells this cluster from an earlier one of the same name. */
  id: v.string(),
  name: v.string(),
  /** `local` or `ssh/POOL`. */
  infra: v.string(),
  nodes: v.array(nodeSchema),
  /** The workdir that was synced last: absolute, latin1-held. */
  workdir: v.optional(v.string()),
  createdAt: v.number(),
});
export type ClusterState = v.InferOutput<typeof clusterSchema>;

export class ClusterStates {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Every cluster; fails with `io` on a file that cannot be understood, since its nodes' secrets would be lost with it. */
  async loadAll(): Promise<ClusterState[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const files = (await readdir(this.#directory)).filter((file) => file.endsWith('.json'));
    return await Promise.all(files.map((file) => this.#load(join(this.#directory, file))));
  }

  async save(state: ClusterState): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await writeDurably(this.#file(state.name), `${JSON.stringify(state, null, 1)}\n`);
  }

  async remove(name: string): Promise<void> {
    await rm(this.#file(name), { force: true });
  }

  #file(name: string): string {
    return join(this.#directory, `${name}.json`);
  }

  async #load(path: string): Promise<ClusterState> {
    try {
      return v.parse(clusterSchema, JSON.parse(await readFile(path, 'utf8')));
    } catch (error) {
      throw new TowError('io', `${path} is not a cluster this build understands`, {
        cause: error,
        hint: `move ${path} away to do without that cluster`,
      });
    }
  }
}

/** Replaces a 0600 file in one durable step. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temp = `${path}.new`;
  const file = await open(temp, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temp, path);
}

/** Reads a file that may not be there. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
