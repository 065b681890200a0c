import type * as v from 'valibot';
import type { Method, MethodTable } from '../wire/method.ts';

/** What an authenticated peer said of itself. */
export interface Peer {
  readonly keyId: string;
  readonly version: number;
  /** The peer's build: a digest of its bundle, for upgrades. */
  readonly build: string;
  readonly capabilities: readonly string[];
}

type Events<M extends Method> = v.InferOutput<M['event']>;

export interface CallOptions<M extends Method> {
  /** Called in order for every event; must not block. A throw cancels the call and becomes its error. */
  readonly onEvent?: (event: Events<M>) => void;
  /**
   * Called in order with the payload of every data frame; credit goes back to the sender when the promise resolves.
   * The payload is the receiver's to keep. The call settles when the last one has been taken. A throw cancels the call and becomes its error. Required if the method streams.
   */
  readonly onData?: (payload: Buffer) => void | Promise<void>;
  /** Goes with the parameters; at most `limits.callPayloadBytes`. Only if the method says so. */
  readonly payload?: Uint8Array;
  /** Bytes the callee may have under way before `onData` has taken them. Default 8 MiB. */
  readonly windowBytes?: number;
}

/** What a handler has besides its parameters. */
export interface CallContext<M extends Method> {
  /** Aborts when the caller cancels or the link is lost. */
  readonly signal: AbortSignal;
  /** What came with the parameters. */
  readonly payload: Buffer | undefined;
  /** Throws `limit-exceeded` when the event is too long for a control message. */
  readonly emit: (event: v.InferInput<M['event']>) => void;
  /**
   * Sends one data frame (the parts joined, at most `limits.dataFrameBytes`). Resolves when the frame was handed to the
   * transport; waits while the caller has given no credit. The parts must not change until it resolves. Frames go in the
   * order of the calls. Rejects with `cancelled` or `link-lost`.
   */
  readonly send: (...parts: readonly Uint8Array[]) => Promise<void>;
}

export type Handlers<T extends MethodTable> = {
  readonly [N in keyof T]: (
    params: v.InferOutput<T[N]['params']>,
    context: CallContext<T[N]>,
  ) => Promise<v.InferInput<T[N]['result']>>;
};

/**
 * An authenticated link to a peer that serves the methods `T`. Control messages never wait behind data; every call has
 * exactly one completion: a result, an error, or `cancelled`. When the link is lost, all calls under way fail with
 * `link-lost`, handlers' signals abort and `closed` resolves.
 */
export interface Link<T extends MethodTable> {
  readonly peer: Peer;
  /** Resolves (never rejects) with the reason once the link is gone. */
  readonly closed: Promise<Error>;
  /**
   * Calls a method. Rejects with the peer's error, `link-lost`, or, when `signal` aborts, `cancelled` once the peer
   * has acknowledged (so nothing of the call is still running there).
   */
  call<N extends keyof T & string>(
    name: N,
    params: v.InferInput<T[N]['params']>,
    options: CallOptions<T[N]>,
    signal: AbortSignal,
  ): Promise<v.InferOutput<T[N]['result']>>;
  /** Round trip of the last heartbeat in milliseconds; undefined before the first. */
  readonly roundTripMs: number | undefined;
  /** Resolves when `roundTripMs` can be relied on, some round trips after the link began, or the link is closed. */
  readonly measured: Promise<void>;
  /** Bytes that crossed the link since it was made, both ways, frame headers included. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Closes at once; calls under way fail with `link-lost`. */
  close(reason: Error): void;
}
