import { type ErrorCode, errnoOf, TowError } from './errors.ts';

/** What crosses between a pool and its threads. */
export interface WorkerRequest {
  readonly id: number;
  readonly task: string;
  readonly input: unknown;
}

export type WorkerReply =
  | { readonly type: 'event'; readonly id: number; readonly event: unknown }
  | { readonly type: 'done'; readonly id: number; readonly output: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: WorkerError };

/** An error, cloneable: a `TowError` by its code, a system error by its errno. */
export interface WorkerError {
  readonly message: string;
  readonly code: ErrorCode | undefined;
  readonly errno: string | undefined;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly stack: string | undefined;
}

export function toWorkerError(error: unknown): WorkerError {
  const tow = error instanceof TowError ? error : undefined;
  return {
    message: error instanceof Error ? error.message : String(error),
    code: tow?.code,
    errno: errnoOf(error),
    hint: tow?.hint,
    retryable: tow?.retryable ?? false,
    stack: error instanceof Error ? error.stack : undefined,
  };
}

export function fromWorkerError(error: WorkerError): Error {
  if (error.code !== undefined) {
    return new TowError(error.code, error.message, {
      retryable: error.retryable,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
  const plain = new Error(error.message);
  if (error.stack !== undefined) plain.stack = error.stack;
  return error.errno === undefined ? plain : Object.assign(plain, { code: error.errno });
}
