import type { MessagePort } from 'node:worker_threads';
import type { Digest } from '../../protocol/chunk/digest.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { Collected } from './collect.ts';
import type { PublishPlan, PublishResult } from './publication.ts';

/** What the thread that works on the object store of a `--via` can be asked for. First `open`; a publication is `plan`, `add` …, `finish`. */
export type ViaTasks = {
  readonly open: {
    readonly input: {
      readonly access: StoreAccess;
      readonly prefix: string;
      /** Of the cache (index-cache.ts). */
      readonly directory: string;
      /** For `askAccess`. */
      readonly refresh: MessagePort;
    };
    readonly event: never;
    readonly output: undefined;
  };
  readonly plan: { readonly input: Uint8Array; readonly event: never; readonly output: PublishPlan };
  readonly add: {
    readonly input: { readonly header: Uint8Array; readonly body: Uint8Array };
    readonly event: never;
    readonly output: number;
  };
  readonly finish: { readonly input: undefined; readonly event: never; readonly output: PublishResult };
  readonly collect: { readonly input: { readonly days: number }; readonly event: never; readonly output: Collected };
  /** As `mendPacks`. */
  readonly mend: { readonly input: readonly Digest[]; readonly event: never; readonly output: number };
};
