import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scalarText, scalarValue } from '../../../controller/yaml/yaml-scalar.ts';

/** Right column: `str(yaml.safe_load(text))` of PyYAML. */
describe('scalarText is what the incumbent makes of a value', () => {
  test.each([
    ['abc', 'abc'],
    ['true', 'True'],
    ['Yes', 'True'],
    ['off', 'False'],
    ['tRue', 'tRue'],
    ['y', 'y'],
    ['0', '0'],
    ['-0', '0'],
    ['+12', '12'],
    ['010', '8'],
    ['08', '08'],
    ['0x1F', '31'],
    ['-0b101', '-5'],
    ['1_000', '1000'],
    ['0x_', '0x_'],
    ['12:30', '750'],
    ['12:30:45', '45045'],
    ['123456789012345678901234567890', '123456789012345678901234567890'],
    ['1.0', '1.0'],
    ['1.50', '1.5'],
    ['1.', '1.0'],
    ['.5', '0.5'],
    ['-0.0', '-0.0'],
    ['1e3', '1e3'],
    ['1e-4', '1e-4'],
    ['1.0e+3', '1000.0'],
    ['1.0e-4', '0.0001'],
    ['1.0e-5', '1e-05'],
    ['1.5e+16', '1.5e+16'],
    ['1.0e+15', '1000000000000000.0'],
    ['1.0e+22', '1e+22'],
    ['1.5e-10', '1.5e-10'],
    ['.inf', 'inf'],
    ['-.inf', '-inf'],
    ['.nan', 'nan'],
    ['1:30.5', '90.5'],
    ['2024-01-01', '2024-01-01'],
    ['1.2.3', '1.2.3'],
    ['10.0.0.1', '10.0.0.1'],
    ['7b', '7b'],
  ])('%s', (text, expected) => {
    expect(scalarText(text)).toBe(expected);
  });

  test.each(['', '~', 'null', 'Null', 'NULL'])('%j is null', (text) => {
    expect(scalarText(text)).toBeUndefined();
  });
});

test('whole numbers keep their value, floats read back equal', () => {
  fc.assert(
    fc.property(fc.bigInt(), (value) => {
      expect(scalarText(String(value))).toBe(String(value));
    }),
  );
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
      const yaml = `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}e${exponent}`;
      expect(Number(scalarText(yaml))).toBe(value === 0 ? 0 : value);
    }),
  );
});

test('anything at all has some value, in no time', () => {
  fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => scalarValue(text).type.length > 0));
  const started = performance.now();
  for (const text of ['1'.repeat(1 << 20), `${'1_'.repeat(1 << 19)}x`, `1${':1'.repeat(1 << 19)}x`])
    expect(scalarValue(text).type).toBe('text');
  expect(performance.now() - started).toBeLessThan(1000);
});
