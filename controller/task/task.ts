import { TowError } from '../../protocol/base/errors.ts';
import type { BucketUri } from './bucket-uri.ts';

/** A task, parsed and checked; paths of this machine are absolute, variables substituted. All text is UTF-16. */
export interface Task {
  readonly name: string | undefined;
  readonly workdir: Workdir | undefined;
  readonly numNodes: number | undefined;
  /** `local`, `ssh/POOL` or `join/POOL`. */
  readonly infra: string | undefined;
  /** Of the task and the command line, which wins. */
  readonly envs: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, string>;
  /** By destination, so that a mount comes after the one it lies in. */
  readonly fileMounts: readonly FileMount[];
  readonly setup: string | undefined;
  readonly run: string | undefined;
  readonly sync: SyncSettings;
  /** What the task says that does nothing here, one line each. */
  readonly warnings: readonly string[];
}

export type Workdir =
  | { readonly type: 'local'; readonly path: string }
  | { readonly type: 'git'; readonly url: string; readonly ref: string | undefined };

export type FileMount = {
  /** `~/…` or absolute; normalised. */
  readonly dest: string;
  /** How many roots it lies in: a mount must not be synced beside one of a lower level. The workdir has level 0. */
  readonly level: number;
} & MountSource;

export type MountSource =
  | { readonly type: 'local'; readonly source: string }
  | { readonly type: 'bucket'; readonly uri: BucketUri }
  | ({ readonly type: 'storage' } & Storage);

export interface Storage {
  readonly name: string | undefined;
  readonly source: StorageSource | undefined;
  readonly store: Store | undefined;
  readonly mode: StorageMode;
  readonly persistent: boolean;
  readonly readOnly: boolean;
  readonly credentials: SyncSettings['credentials'] | undefined;
  /** When `fsync` on the mount returns: once safe on the node, or once in the bucket. */
  readonly fsync: 'node' | 'bucket';
}

/** A directory goes to the top of the bucket, each path of a list to its own name there. */
export type StorageSource =
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'list'; readonly paths: readonly string[] }
  | { readonly type: 'bucket'; readonly uri: BucketUri };

export const storeKinds = ['s3', 'gcs', 'r2', 'ibm', 'local'] as const;
export type StoreKind = (typeof storeKinds)[number];

export interface Store {
  readonly kind: StoreKind;
  /** URL of another S3 service; only with `s3`. */
  readonly endpoint: string | undefined;
}

export const storageModes = ['MOUNT', 'COPY', 'MOUNT_CACHED'] as const;
type StorageMode = (typeof storageModes)[number];

export interface SyncSettings {
  readonly git: boolean;
  readonly credentials: 'forward' | 'node';
  readonly fetch: 'bucket' | 'head';
  readonly mirror: boolean;
}

export const defaultSync: SyncSettings = { git: true, credentials: 'forward', fetch: 'bucket', mirror: false };

/** What a task may ask for that this build cannot do yet. */
export function refuseUnbuilt(task: Task): void {
  if (task.workdir?.type === 'git') {
    throw new TowError('not-supported', 'workdir: {url, ref} is not built yet', {
      hint: 'clone it here and name the directory',
    });
  }
  const storage = task.fileMounts.find((mount) => mount.type === 'storage' && mount.mode !== 'COPY');
  if (storage?.type !== 'storage') return;
  throw new TowError('not-supported', `${storage.dest}: mode ${storage.mode} of a storage is not built yet`, {
    hint: 'use mode: COPY until then',
  });
}
