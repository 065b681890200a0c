import { expect, test } from 'vitest';
import { openCredentials } from '../../../protocol/store/gcs/credentials.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { VirtualClock } from '../../helpers/virtual-clock.ts';

const never = new AbortController().signal;

test('a token is replaced before it ends, once for all who wait', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const until = clock.now() + 600_000;
  const credentials = await openCredentials({ type: 'token', token: 'one', expiresAt: until }, clock, async () => {
    asked += 1;
    return { type: 'token', token: 'two', expiresAt: until + 600_000 };
  });
  expect(await credentials.headers(never)).toEqual({ authorization: 'Bearer one' });
  await clock.advance(545_000);
  const headers = await Promise.all([credentials.headers(never), credentials.headers(never)]);
  expect(headers).toEqual([{ authorization: 'Bearer two' }, { authorization: 'Bearer two' }]);
  expect(asked).toBe(1);
});

test('without anything newer a token ends', async () => {
  const clock = new VirtualClock();
  const credentials = await openCredentials({ type: 'token', token: 'one', expiresAt: clock.now() + 1000 }, clock);
  await clock.advance(1000);
  expect(await codeOf(credentials.headers(never))).toBe('credentials-expired');
});
