import { describe, expect, test } from 'vitest';
import { parseEnvFile } from '../../../controller/task/env-file.ts';

const env = { HOST: 'here', A: 'outer' };
const parse = (text: string): Record<string, string> => Object.fromEntries(parseEnvFile(text, 'my.env', env));

describe('parseEnvFile', () => {
  test.each([
    ['', {}],
    ['\n# comment\n\n  # another', {}],
    ['A=1\nB=2', { A: '1', B: '2' }],
    ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
    ['export A=1\n  export\tB=2', { A: '1', B: '2' }],
    ['A = 1', { A: '1' }],
    ['A=\nB=x', { A: '', B: 'x' }],
    ['A=   \nB=', { A: '', B: '' }],
    ['A=x y  # comment', { A: 'x y' }],
    ['A=x#y', { A: 'x#y' }],
    ['A=#x', { A: '#x' }],
    ['A=b=c', { A: 'b=c' }],
    ['A="x # y" # comment\nB=1', { A: 'x # y', B: '1' }],
    ["A='x # y'", { A: 'x # y' }],
    ['A="line 1\nline 2"\nB=1', { A: 'line 1\nline 2', B: '1' }],
    [String.raw`A="a\nb\t\"\\\$HOST \q"`, { A: 'a\nb\t"\\$HOST \\q' }],
    [String.raw`A='a\n\'\\'`, { A: String.raw`a\n'\\`.replace('\\\\', '\\') }],
    ['A=it\'s "fine"', { A: 'it\'s "fine"' }],
    ['A=${HOST}:80', { A: 'here:80' }],
    ['A="${HOST}:80"', { A: 'here:80' }],
    ["A='${HOST}'", { A: '${HOST}' }],
    ['A=$HOST', { A: '$HOST' }],
    ['A=inner\nB=${A}', { A: 'inner', B: 'inner' }],
    ['B=${A}-${NOPE}-${NOPE:-x y}', { B: 'outer--x y' }],
    ['HOST', { HOST: 'here' }],
    ['export HOST # taken along\nB=1', { HOST: 'here', B: '1' }],
    ['A=1\nA=2', { A: '2' }],
    [
      '__proto__=x\nconstructor=y',
      Object.fromEntries([
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ]),
    ],
  ])('%j', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  test.each([
    ['A=1\n=2', 'my.env:2: not of the form NAME=value'],
    ['1A=1', 'my.env:1: not of the form NAME=value'],
    ['A-B=1', 'my.env:1: A has no value here'.replace('A has no value here', 'text after the value of A')],
    ['A=1\n\nNOPE\n', 'my.env:3: NOPE has no value here'],
    ['A="x', 'my.env:1: the quote of A is not closed'],
    ["A=1\nB='x\n", 'my.env:2: the quote of B is not closed'],
    ['A="x" y', 'my.env:1: text after the value of A'],
  ])('%j is refused with its line', (text, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(message), hint: expect.any(String) }),
    );
  });

  test('a secret of a broken line is not shown', () => {
    expect(() => parse('A="hunter2')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
    );
  });

  test('a hostile file takes no time', () => {
    const started = performance.now();
    const text = `A=${' \t'.repeat(50_000)}x\nB="${'\\'.repeat(99_999)}"`;
    expect(() => parse(text)).toThrow(/not closed/);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
