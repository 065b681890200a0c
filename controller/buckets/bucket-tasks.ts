/** What is done with a bucket here: on a thread, since the clouds' clients take longer than the daemon's loop may. */
import type { MessagePort } from 'node:worker_threads';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { AccessRequest, BucketPlace } from './resolve-access.ts';
import type { UploadEvent, UploadOptions, UploadResult } from './upload/upload.ts';

/** How a thread gets at a bucket: opens it itself, or asks whoever has it open. */
export type BucketHandle =
  | {
      readonly type: 'cloud';
      readonly access: StoreAccess;
      /** To find newer access when that ends. */
      readonly place: BucketPlace;
      readonly request: AccessRequest;
    }
  | { readonly type: 'port'; readonly port: MessagePort };

export interface BucketInput {
  readonly bucket: BucketHandle;
  /** Shared; not 0 once nobody wants the result any more. */
  readonly cancel: Int32Array;
}

export type BucketTasks = {
  /** Whether it is there, and has nothing in it. */
  readonly look: {
    readonly input: BucketInput;
    readonly event: never;
    readonly output: { readonly exists: boolean; readonly empty: boolean };
  };
  readonly make: { readonly input: BucketInput; readonly event: never; readonly output: null };
  readonly upload: {
    readonly input: BucketInput & { readonly options: Omit<UploadOptions, 'cancel'> };
    readonly event: UploadEvent;
    readonly output: UploadResult;
  };
  /** With all that is in it; events and output are objects deleted. */
  readonly remove: { readonly input: BucketInput; readonly event: number; readonly output: number };
};
