import { TowError } from '../../protocol/base/errors.ts';

/** A task, parsed and checked; paths absolute, variables substituted. */
export interface Task {
  readonly name: string | undefined;
  readonly workdir: Workdir | undefined;
  readonly numNodes: number | undefined;
  readonly infra: string | undefined;
  readonly envs: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, string>;
  readonly fileMounts: readonly FileMount[];
  readonly setup: string | undefined;
  readonly run: string | undefined;
  readonly sync: SyncSettings;
  readonly warnings: readonly string[];
}

export type Workdir = { readonly type: 'local'; readonly path: string } | { readonly type: 'git'; readonly url: string; readonly ref: string | undefined };

export type FileMount = { readonly dest: string } & (
  | { readonly type: 'local'; readonly source: string }
  | { readonly type: 'bucket'; readonly uri: string }
  | { readonly type: 'storage'; readonly name: string | undefined; readonly source: readonly string[]; readonly store: string | undefined; readonly mode: string; readonly persistent: boolean }
);

export interface SyncSettings {
  readonly git: boolean;
  readonly credentials: 'forward' | 'node';
  readonly fetch: 'bucket' | 'head';
  readonly mirror: boolean;
}

export const defaultSync: SyncSettings = { git: true, credentials: 'forward', fetch: 'bucket', mirror: false };

/** What a task may ask for that this build cannot do yet. */
export function refuseUnbuilt(task: Task): void {
  if (task.workdir?.type === 'git') throw new TowError('not-supported', 'workdir: {url, ref} is not built yet', { hint: 'clone it here and name the directory' });
  const bucket = task.fileMounts.find(({ type }) => type !== 'local');
  if (bucket !== undefined) throw new TowError('not-supported', `${bucket.dest}: buckets and storages are not built yet`, { hint: 'mount a local path, or take this mount out of the task' });
}
