import { TowError } from '../../protocol/base/errors.ts';

/** The code an operation fails with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof TowError ? error.code : String(error)),
  );
}
