import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { withCronLine } from '../../../../agent/supervise/cron.ts';

const command = ['/opt/no de/bin/node', "/home/o'brien/100%/agent.mjs", 'start'];
const line = String.raw`@reboot '/opt/no de/bin/node' '/home/o'\''brien/100\%/agent.mjs' 'start' # towline abc`;

test('the line is added once, quoted for cron and its shell', () => {
  const once = withCronLine('MAILTO=me\n0 * * * * true\n', 'abc', command);
  expect(once).toBe(`MAILTO=me\n0 * * * * true\n${line}\n`);
  expect(withCronLine(once, 'abc', command)).toBe(once);
  expect(withCronLine('', 'abc', command)).toBe(`${line}\n`);
});

test("other lines survive, another machine's too", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string().filter((text) => !text.includes('\n') && !text.endsWith(' # towline abc'))),
      (lines) => {
        const before = lines.map((text) => `${text}\n`).join('');
        const other = withCronLine(before, 'def', command);
        expect(withCronLine(withCronLine(other, 'abc', command), 'abc', undefined)).toBe(other);
      },
    ),
  );
});
