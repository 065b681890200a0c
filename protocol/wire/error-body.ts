import { TowError, toTowError } from '../base/errors.ts';
import type { ErrorBody } from './schema.ts';

const maxCauses = 16;
const maxTextLength = 4096;

function shortened(text: string): string {
  return text.length <= maxTextLength ? text : `${text.slice(0, maxTextLength)}…`;
}

/** An error as it travels: no stack, no objects, its causes as lines. */
export function toErrorBody(error: unknown): ErrorBody {
  const e = toTowError(error, 'unexpected failure');
  const causes: string[] = [];
  for (let cause = e.cause; cause instanceof Error && causes.length < maxCauses; cause = cause.cause) {
    const line = cause.message;
    if (line !== e.message && !e.message.endsWith(line)) causes.push(shortened(line));
  }
  return {
    code: e.code,
    message: shortened(e.message),
    causes,
    retryable: e.retryable,
    ...(e.hint === undefined ? {} : { hint: shortened(e.hint) }),
  };
}

/** The error a peer reported, as one of ours. */
export function fromErrorBody(body: ErrorBody): TowError {
  let cause: Error | undefined;
  for (const line of body.causes.toReversed()) cause = new Error(line, cause === undefined ? undefined : { cause });
  return new TowError(body.code, body.message, {
    retryable: body.retryable,
    ...(body.hint === undefined ? {} : { hint: body.hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
