import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { isPlain, remoteCommand } from '../../../../controller/cluster/ssh/remote-command.ts';

test('a shell gets script and arguments as they are', () => {
  const command = remoteCommand('printf "%s|" "$1" "$2" "$HOME"; echo $((1 + 2)) > /dev/stderr; echo "$0"', [
    'a/b',
    'c@d',
  ]);
  const out = execFileSync('sh', ['-c', command], { env: { HOME: '/x y' }, stdio: ['ignore', 'pipe', 'ignore'] });
  expect(out.toString()).toBe('a/b|c@d|/x y|towline\n');
});

test("text that a shell would read otherwise is a bug of ours, not the user's", () => {
  for (const script of ["echo 'x'", 'echo !1', 'a\nb', 'echo \\x']) {
    expect(() => remoteCommand(script, [])).toThrow('this is a bug');
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (isPlain(text)) {
        expect(execFileSync('sh', ['-c', remoteCommand('printf %s "$1"', [text])]).toString()).toBe(text);
      } else {
        expect(() => remoteCommand('true', [text])).toThrow('this is a bug');
      }
    }),
    { numRuns: 200 },
  );
});
