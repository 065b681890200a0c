import { expect, test } from 'vitest';
import { parseProbe } from '../../../../controller/cluster/ssh/probe.ts';

function answer(changes: Readonly<Record<string, string>> = {}): string {
  const values = {
    system: 'Linux',
    machine: 'x86_64',
    glibc: 'glibc 2.36',
    home: '/home/me',
    node: 'v20.19.0 /usr/bin/node',
    file: 'agent.mjs abc  -',
    blocks: '/dev/vda 263112216 24310844 225364812 10% /',
    inodes: '/dev/vda 16777216 524288 16252928 4% /',
    ...changes,
  };
  const lines = Object.entries(values).map(([key, value]) => `${key} ${value}`);
  return ['hello', 'towline-probe-begin', 'fake', 'towline-probe-begin', ...lines, 'towline-probe-end', 'bye'].join(
    '\n',
  );
}

test('the answer is found among what the login prints', () => {
  expect(parseProbe(answer(), 'h')).toEqual({
    arch: 'x64',
    home: '/home/me',
    node: '/usr/bin/node',
    digests: new Map([['agent.mjs', 'abc']]),
    glibc: [2, 36],
    freeBytes: 225_364_812 * 1024,
    freeInodes: 16_252_928,
  });
});

test.each([
  ['v20.19.0 /usr/bin/node', true],
  ['v22.0.0 /opt/node/bin/node', true],
  ['v24.0.0-nightly2024 /usr/bin/node', true],
  ['v20.18.3 /usr/bin/node', false],
  ['v18.20.0 /usr/bin/node', false],
  ['v20.19.0 /usr/bin/no de', false],
  ['v20.19.0 /tmp/$(reboot)/node', false],
  ['v20.19.0 node', false],
  [' /dev/null', false],
])('Node %j usable: %s', (node, usable) => {
  expect(parseProbe(answer({ node }), 'h').node !== undefined).toBe(usable);
});

test.each([
  [{ system: 'Darwin', machine: 'arm64' }, 'it is Darwin on arm64'],
  [{ machine: 'riscv64' }, 'it is Linux on riscv64'],
  [{ glibc: '' }, 'it has no glibc'],
  [{ home: `/home/${'x'.repeat(60)}` }, 'cannot be used'],
  [{ home: '/home/o brien' }, 'cannot be used'],
  [{ home: '/home/a:b' }, 'cannot be used'],
])('%j is not supported', (changes, message) => {
  expect(() => parseProbe(answer(changes), 'h')).toThrow(
    expect.objectContaining({ code: 'node-unsupported', message: expect.stringContaining(message) }),
  );
});

test('a file system that does not count inodes, and a df that says nothing, are not full', () => {
  const probe = parseProbe(answer({ inodes: '/dev/sda1 0 0 0 - /home', blocks: '' }), 'h');
  expect(probe.freeInodes).toBeUndefined();
  expect(probe.freeBytes).toBeUndefined();
});

test.each(['', 'home relative', 'garbage'])('an answer that makes no sense is refused: %j', (text) => {
  expect(() => parseProbe(`towline-probe-begin\n${text}\ntowline-probe-end`, 'h')).toThrow(
    expect.objectContaining({ code: 'host-unreachable' }),
  );
});
