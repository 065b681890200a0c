/** What crosses between a thread that works with a bucket and whoever has it open: one reply a call, by its id. */

import type { WorkerError } from '../../base/worker-message.ts';
import type {
  DeleteFailure,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectHead,
  WriteOptions,
  Written,
} from '../object-store.ts';
import type { StoreTraits } from '../store-traits.ts';

export type PortCall =
  | { readonly method: 'traits' | 'bucketExists' | 'createBucket' | 'deleteBucket' }
  | { readonly method: 'list'; readonly options: ListOptions }
  | { readonly method: 'head'; readonly key: string }
  | { readonly method: 'get'; readonly key: string; readonly options: GetOptions }
  | { readonly method: 'read' | 'leave'; readonly body: number }
  | { readonly method: 'put'; readonly key: string; readonly bytes: Uint8Array; readonly options: WriteOptions }
  | { readonly method: 'startUpload'; readonly key: string; readonly options: WriteOptions }
  | { readonly method: 'part'; readonly upload: number; readonly number: number; readonly bytes: Uint8Array }
  | { readonly method: 'complete' | 'abort'; readonly upload: number }
  | {
      readonly method: 'copy';
      readonly from: string;
      readonly to: string;
      readonly options: {
        readonly ifVersion?: string;
        readonly replace?: Pick<WriteOptions, 'contentType' | 'metadata'>;
      };
    }
  | { readonly method: 'delete'; readonly key: string }
  | { readonly method: 'deleteMany'; readonly keys: readonly string[] };

export type PortResult =
  | { readonly type: 'done' }
  | { readonly type: 'traits'; readonly traits: StoreTraits }
  | { readonly type: 'exists'; readonly exists: boolean }
  | { readonly type: 'page'; readonly page: ListPage }
  | { readonly type: 'head'; readonly head: ObjectHead | undefined }
  | { readonly type: 'written'; readonly written: Written }
  | { readonly type: 'body'; readonly head: ObjectHead; readonly body: number }
  /** Undefined at the end. */
  | { readonly type: 'bytes'; readonly bytes: Uint8Array | undefined }
  | { readonly type: 'upload'; readonly upload: number }
  | { readonly type: 'failures'; readonly failures: readonly DeleteFailure[] }
  | { readonly type: 'failed'; readonly error: WorkerError };

export interface PortRequest {
  readonly id: number;
  readonly call: PortCall;
}

export interface PortReply {
  readonly id: number;
  readonly result: PortResult;
}
