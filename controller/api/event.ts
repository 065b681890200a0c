import type { PullEvent } from '../../protocol/wire/pull.ts';
import type { ErrorBody } from '../../protocol/wire/schema.ts';

/** What the daemon sends the CLI, one JSON object a line. The CLI renders it; `--json` prints it (docs/cli.md lists the fields). */
export type ApiEvent =
  | ({ readonly type: 'progress' } & ProgressEvent)
  | { readonly type: 'note'; readonly level: 'info' | 'warning'; readonly text: string; readonly hint?: string }
  /** Whole lines of a job's output. `prefix` is `(head, rank=0, pid=17)`; text is as the job wrote it. */
  | {
      readonly type: 'output';
      readonly node: string;
      readonly rank: number;
      readonly prefix: string;
      readonly text: string;
    }
  | { readonly type: 'job'; readonly cluster: string; readonly job: string; readonly state: JobState }
  | { readonly type: 'login'; readonly argv: readonly string[] }
  /** A sync has ended, and a job follows. */
  | ({ readonly type: 'sync' } & SyncSummary)
  | ({ readonly type: 'data' } & ApiData)
  | ({ readonly type: 'summary' } & ApiSummary)
  | { readonly type: 'error'; readonly error: ErrorBody }
  /** The first: from now on the command is done once. A request without it was not begun. */
  | { readonly type: 'accepted' }
  /** Always the last. */
  | { readonly type: 'exit'; readonly code: number };

/** How far a root is: on a node, or on this machine where `node` is ''. */
export interface ProgressEvent extends Omit<PullEvent, 'phase'> {
  readonly node: string;
  readonly root: string;
  readonly phase: PullEvent['phase'] | 'upload' | 'publish';
}

export const jobStates = [
  'INIT',
  'PENDING',
  'SETTING_UP',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
  'FAILED_SETUP',
  'CANCELLED',
] as const;
export type JobState = (typeof jobStates)[number];

/** A row of what a command lists. */
export type ApiData =
  | {
      readonly kind: 'cluster';
      readonly name: string;
      readonly infra: string;
      readonly nodes: readonly { readonly name: string; readonly host: string; readonly connected: boolean }[];
      readonly workdir: string | undefined;
      readonly job: { readonly id: string; readonly name: string; readonly state: JobState } | undefined;
    }
  | {
      readonly kind: 'host';
      readonly pool: string;
      readonly host: string;
      readonly user: string | undefined;
      readonly port: number | undefined;
      readonly cluster: string | undefined;
    }
  | {
      readonly kind: 'conflict';
      readonly node: string;
      readonly id: string;
      readonly path: string;
      readonly reason: string;
      readonly keptAt: number;
      readonly bytes: number;
      readonly storedAt: string;
    }
  | { readonly kind: 'path'; readonly path: string; readonly size: number }
  | {
      readonly kind: 'explain';
      readonly path: string;
      readonly sent: boolean;
      readonly why: string;
      readonly file?: string;
      readonly line?: number;
      readonly pattern?: string;
    }
  | {
      readonly kind: 'check';
      readonly subject: string;
      readonly ok: boolean;
      readonly detail: string;
      readonly hint?: string;
    }
  /** A storage that Towline made. */
  | {
      readonly kind: 'storage';
      readonly name: string;
      readonly store: string;
      readonly place: string;
      readonly state: string;
      /** Of the last upload; absent when nothing was uploaded. */
      readonly objects?: number;
      readonly bytes?: number;
      /** Keys on this machine that no directory can hold, the first hundred: they lie beside the files. */
      readonly oddKeys?: readonly string[];
      readonly createdAt: number;
      readonly persistent: boolean;
      /** Names of clusters. */
      readonly usedBy: readonly string[];
    }
  /** One root a `--dryrun` would sync. */
  | {
      readonly kind: 'plan';
      readonly root: string;
      readonly source: string;
      /** Not counted of a bucket: only the nodes look into it. */
      readonly files?: number;
      readonly bytes?: number;
    };

/** How a command ended well. `sync` is there when anything was synced. */
export interface ApiSummary {
  readonly command: string;
  readonly sync?: SyncSummary;
  readonly job?: { readonly id: string; readonly state: JobState; readonly exitCodes: readonly number[] };
  /** One line for people, when the fields above do not say it all. */
  readonly text?: string;
}

export interface SyncSummary {
  readonly roots: number;
  readonly nodes: number;
  readonly files: number;
  /** Size of the synced trees, one copy. */
  readonly logicalBytes: number;
  /** Bytes that left this machine for all nodes. */
  readonly sentBytes: number;
  /** Bytes that all nodes fetched from buckets, if there were any to copy or `--via` said to. */
  readonly fetchedBytes?: number;
  /** Bytes that workers had from the head instead; with `sync: {fetch: head}`. */
  readonly headBytes?: number;
  /** Bytes that were published, once for all nodes; with `--via`. */
  readonly publishedBytes?: number;
  readonly seconds: number;
  readonly conflicts: number;
  readonly problems: number;
  readonly workdir?: string;
}
