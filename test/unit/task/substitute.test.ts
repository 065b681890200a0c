import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { substitute, unsetVariable } from '../../../controller/task/substitute.ts';

const variables = new Map([
  ['A', '1'],
  ['AB', '2'],
  ['SELF', '${SELF}$A'],
  ['EMPTY', ''],
]);

describe('substitute', () => {
  test.each([
    ['$A', '1'],
    ['${A}', '1'],
    ['x${A}y', 'x1y'],
    ['$AB', '2'],
    ['${A}B', '1B'],
    ['$A-$AB', '1-2'],
    ['$A$A', '11'],
    ['${EMPTY}', ''],
    ['$NOPE/${NOPE}', '$NOPE/${NOPE}'],
    ['$SELF', '${SELF}$A'],
    ['${A', '${A'],
    ['$', '$'],
    ['$$A', '$1'],
    ['${}', '${}'],
    ['${A:-x}', '${A:-x}'],
    ['$1', '$1'],
    ['~/$A', '~/1'],
  ])('%s becomes %s', (text, expected) => {
    expect(substitute(text, variables)).toBe(expected);
  });

  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
  const values = fc.dictionary(name, fc.string()).map((record) => new Map(Object.entries(record)));

  test('without variables nothing changes', () => {
    fc.assert(fc.property(fc.string(), (text) => substitute(text, new Map()) === text));
  });

  test('text around references is kept, and every reference is replaced by its value as it is', () => {
    const plain = fc.string().map((text) => text.replaceAll('$', ''));
    fc.assert(
      fc.property(values, fc.array(fc.tuple(plain, name)), plain, (known, parts, end) => {
        const text = parts.map(([before, variable]) => `${before}\${${variable}}`).join('') + end;
        const expected = parts.map(([before, one]) => before + (known.get(one) ?? `\${${one}}`)).join('') + end;
        expect(substitute(text, known)).toBe(expected);
        expect(unsetVariable(text, known)).toBe(parts.find(([, one]) => !known.has(one))?.[1]);
      }),
    );
  });
});
