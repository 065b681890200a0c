import { expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { AccessPort, askAccess } from '../../../protocol/store/port/access-port.ts';
import type { StoreAccess } from '../../../protocol/wire/store-access.ts';

const access: StoreAccess = { service: 'local', bucket: 'data' };

test('newer access is given each time it is asked for, and a refusal keeps its code and hint', async () => {
  let asked = 0;
  using port = new AccessPort(async () => {
    asked += 1;
    if (asked === 2) throw new TowError('credentials-expired', 'ended', { hint: 'log in' });
    return access;
  });
  expect(await askAccess(port.forThread)).toEqual(access);
  await expect(askAccess(port.forThread)).rejects.toMatchObject({ code: 'credentials-expired', hint: 'log in' });
  expect(await askAccess(port.forThread)).toEqual(access);
});
