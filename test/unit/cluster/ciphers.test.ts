import { expect, test } from 'vitest';
import { fastFirst } from '../../../controller/cluster/ssh/ssh-config.ts';

test('ciphers with processor instructions come first, none is added or left out', () => {
  const openssh = ['chacha20-poly1305@openssh.com', 'aes128-ctr', 'aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];
  expect(fastFirst(openssh)).toEqual([openssh[2], openssh[3], openssh[0], openssh[1]]);
  expect(fastFirst(['aes256-ctr'])).toEqual(['aes256-ctr']);
  expect(fastFirst([])).toEqual([]);
});
