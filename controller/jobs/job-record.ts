/** What the controller's disk has of a job: `controller/jobs/CLUSTER/NUMBER.json`, 0600. Secrets are never in it. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { jobStates } from '../api/event.ts';
import { readIfThere, writeDurably } from '../cluster/cluster-state.ts';

const recordSchema = v.object({
  version: v.literal(1),
  number: v.number(),
  /** Names the job on its nodes; unique over clusters of the same name. */
  id: v.string(),
  name: v.string(),
  state: v.picklist(jobStates),
  /** Names of the nodes, by rank. */
  nodes: v.array(v.string()),
  /** Nodes that setup runs on: all of the cluster. */
  setupNodes: v.array(v.string()),
  setup: v.optional(v.string()),
  run: v.optional(v.string()),
  envs: v.array(v.tuple([v.string(), v.string()])),
  /** Whether variables were given that are not in `envs`: such a job cannot go from setup to run after a crash here. */
  hasSecrets: v.boolean(),
  submittedAt: v.number(),
  /** By rank; -1 while unknown. */
  exitCodes: v.array(v.number()),
  /** Why it ended as it did, when exit codes do not say it. */
  note: v.optional(v.string()),
});
export type JobRecord = v.InferOutput<typeof recordSchema>;

export class JobRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async save(cluster: string, record: JobRecord): Promise<void> {
    await mkdir(join(this.#directory, cluster), { recursive: true, mode: 0o700 });
    await writeDurably(join(this.#directory, cluster, `${record.number}.json`), JSON.stringify(record));
  }

  /** By number. A record that cannot be read is left out: its log is still on the nodes. */
  async load(cluster: string): Promise<JobRecord[]> {
    await mkdir(join(this.#directory, cluster), { recursive: true, mode: 0o700 });
    const records: JobRecord[] = [];
    for (const file of await readdir(join(this.#directory, cluster))) {
      if (!/^\d+\.json$/.test(file)) continue;
      const parsed = v.safeParse(
        recordSchema,
        parseJson((await readIfThere(join(this.#directory, cluster, file))) ?? ''),
      );
      if (parsed.success) records.push(parsed.output);
    }
    return records.sort((a, b) => a.number - b.number);
  }

  async removeOne(cluster: string, number: number): Promise<void> {
    await rm(join(this.#directory, cluster, `${number}.json`), { force: true });
  }

  async remove(cluster: string): Promise<void> {
    await rm(join(this.#directory, cluster), { recursive: true, force: true });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
