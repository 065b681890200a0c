import { expect, test } from 'vitest';
import { measured } from '../../../controller/sync/measured.ts';
import { cancelled } from '../../../protocol/base/abort.ts';
import { codeOf } from '../../helpers/code-of.ts';

const { signal } = new AbortController();
const never = new Promise<void>(() => undefined);

test('it is waited for until it is known, the command ends, or it takes too long', async () => {
  await measured({ measured: Promise.resolve() }, signal);
  const stop = new AbortController();
  const waits = codeOf(measured({ measured: never }, stop.signal));
  stop.abort(cancelled());
  expect(await waits).toBe('cancelled');
  await measured({ measured: never }, signal, 10);
});
