import type { ErrorBody } from '../../protocol/wire/schema.ts';
import { plainText } from './format.ts';
import type { Style } from './style.ts';

/** An error in its three parts: what failed, why, what to do. */
export function renderError(error: ErrorBody, style: Style): string[] {
  return [
    `${style.red('error:')} ${plainText(error.message)}`,
    ...error.causes.map((cause) => `  caused by: ${plainText(cause)}`),
    ...(error.hint === undefined ? [] : [`${style.cyan('hint:')} ${plainText(error.hint)}`]),
  ];
}
