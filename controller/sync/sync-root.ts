/** What is synced, to whom, and how. */
import type { Link } from '../../protocol/link/link.ts';
import type { Advance } from '../../protocol/pull/source/advance.ts';
import type { EarlyRanges } from '../../protocol/pull/source/early-ranges.ts';
import type { ServeOptions, Snapshot } from '../../protocol/pull/source/snapshot.ts';
import type { Source } from '../../protocol/pull/source/source.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { ApiEvent } from '../api/event.ts';
import type { BucketGrants } from '../buckets/local/bucket-grants.ts';
import type { PrepareOptions } from '../buckets/storage/prepare-storage.ts';
import type { Via } from '../via/via.ts';
import type { BucketOffers } from './bucket-offers.ts';
import type { HeldRoots } from './held-roots.ts';
import type { SnapshotOffers } from './snapshot-offers.ts';

interface Root {
  /** What people see: `workdir`, or the mount's destination. */
  readonly name: string;
  /** Destination on the nodes; latin1-held. */
  readonly dest: string;
  /** How many other roots it lies in: it is synced after those. */
  readonly level: number;
  /** Destinations of the task's other roots. */
  readonly others: readonly string[];
}

/** A directory or file of this machine. */
export interface SourceRoot extends Root {
  readonly type: 'source';
  /** Absolute path on this machine; latin1-held. */
  readonly from: string;
  readonly source: Source;
  /** Whether another source than last time is refused. */
  readonly guardSource: boolean;
}

/** A place in a bucket, which each node asks for itself. */
export interface BucketRoot extends Root {
  readonly type: 'bucket';
  /** Its URI. */
  readonly from: string;
  /** Without a slash at its end. */
  readonly prefix: string;
  readonly mayBeEmpty: boolean;
  /** Whom workers ask for objects: the bucket, as the head does, or the head. */
  readonly fetch: 'bucket' | 'head';
  /** Name of a bucket under this controller, which serves it to the nodes; undefined for a cloud's. */
  readonly local: string | undefined;
  /** Makes and fills the bucket first, if it is a storage. */
  readonly prepare: ((options: PrepareOptions, signal: AbortSignal) => Promise<void>) | undefined;
  /** What opens it, asked for anew each time. */
  access(signal: AbortSignal): Promise<StoreAccess>;
}

export type SyncRoot = SourceRoot | BucketRoot;

export interface SyncNode {
  readonly name: string;
  readonly keyId: string;
  /** Asked when it is linked. */
  serve(): ServeOptions;
  /** Waits, within limits, for an authenticated link. */
  link(signal: AbortSignal): Promise<Link<AgentMethods>>;
}

/** A scan that goes on, and who gets its files meanwhile. */
export interface Scanning {
  readonly snapshot: Promise<Snapshot>;
  readonly advance: Advance;
  readonly early: EarlyRanges;
}

export interface SyncOptions {
  /** Name of the nodes' cluster. */
  readonly cluster: string;
  readonly verify: boolean;
  readonly allowDelete: boolean;
  readonly allowPartial: boolean;
  readonly offers: SnapshotOffers;
  readonly buckets: BucketOffers;
  readonly grants: BucketGrants;
  readonly held: HeldRoots;
  /** Where chunks are published to, instead of being sent to each node. */
  readonly via: Via | undefined;
  /** Snapshots that this command has begun to take (`lookAhead`). */
  readonly ahead?: ReadonlyMap<SourceRoot, Scanning>;
  emit(event: ApiEvent): void;
}

/** Times a pull, or a copy, is resumed after a lost link. */
export const maxResumes = 5;
