import type * as v from 'valibot';

type Schema = v.GenericSchema;

/**
 * One method a side serves. `event` is what the callee may emit while it works; `stream` says whether it also sends
 * bytes, as data frames under the call's id.
 */
export interface Method<P extends Schema = Schema, E extends Schema = Schema, R extends Schema = Schema> {
  readonly params: P;
  readonly event: E;
  readonly result: R;
  readonly stream: boolean;
  /** Whether bytes may go with the call. */
  readonly payload: boolean;
}

export function method<P extends Schema, E extends Schema, R extends Schema>(
  params: P,
  event: E,
  result: R,
  stream = false,
  payload = false,
): Method<P, E, R> {
  return { params, event, result, stream, payload };
}

/** The methods one side serves, by name. */
export type MethodTable = Readonly<Record<string, Method>>;
