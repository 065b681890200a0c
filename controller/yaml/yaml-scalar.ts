/**
 * What an unquoted YAML scalar stands for, by the rules of YAML 1.1 as the incumbent's parser reads them, so that
 * `yes`, `010` and `1_000` in a task file mean what they meant there.
 */
export type ScalarValue =
  | { readonly type: 'null' }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'text' };

const intPattern = /^[-+]?(?:0b[01_]+|0[0-7_]+|0x[\da-fA-F_]+|0|[1-9][\d_]*|[1-9][\d_]*(?::[0-5]?\d)+)$/;
const floatPattern =
  /^(?:[-+]?\d[\d_]*\.[\d_]*(?:[eE][-+]\d+)?|\.\d[\d_]*(?:[eE][-+]\d+)?|[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
/** Longer numbers are text: arithmetic on them would cost more than they can mean. */
const longestNumber = 400;

export function scalarValue(text: string): ScalarValue {
  if (text.length > longestNumber) return { type: 'text' };
  if (/^(?:~|null|Null|NULL|)$/.test(text)) return { type: 'null' };
  if (/^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/.test(text)) return { type: 'bool', value: true };
  if (/^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/.test(text)) return { type: 'bool', value: false };
  if (intPattern.test(text)) return intValue(text);
  if (floatPattern.test(text)) return { type: 'float', value: parseFloatText(text) };
  return { type: 'text' };
}

/** The text an unquoted scalar has once the incumbent made a string of it: `True` for `yes`; undefined for null. */
export function scalarText(text: string): string | undefined {
  const value = scalarValue(text);
  switch (value.type) {
    case 'null':
      return undefined;
    case 'bool':
      return value.value ? 'True' : 'False';
    case 'int':
      return String(value.value);
    case 'float':
      return floatText(value.value);
    case 'text':
      return text;
  }
}

function intValue(text: string): ScalarValue {
  const { negative, digits } = splitSign(text);
  const magnitude = intMagnitude(digits);
  return magnitude === undefined ? { type: 'text' } : { type: 'int', value: negative ? -magnitude : magnitude };
}

/** Undefined for a prefix without digits (`0x_`). */
function intMagnitude(digits: string): bigint | undefined {
  if (digits.includes(':')) return digits.split(':').reduce((sum, part) => sum * 60n + BigInt(part), 0n);
  if (/^0[bx]$/.test(digits)) return undefined;
  return BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
}

function parseFloatText(text: string): number {
  const { negative, digits } = splitSign(text);
  const magnitude = floatMagnitude(digits.toLowerCase());
  return negative ? -magnitude : magnitude;
}

function floatMagnitude(digits: string): number {
  if (digits === '.inf') return Infinity;
  if (digits === '.nan') return Number.NaN;
  if (digits.includes(':')) return digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return Number(digits);
}

function splitSign(text: string): { readonly negative: boolean; readonly digits: string } {
  return { negative: text.startsWith('-'), digits: text.replace(/^[-+]/, '').replaceAll('_', '') };
}

/** As Python prints a float: shortest digits that read back equal, exponent below 1e-4 and from 1e16. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (Object.is(value, -0)) return '-0.0';
  const [mantissa = '0', exponentText = '0'] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  // In this range JavaScript prints plain digits, but for 1e-5 and below, which the exponent form above has taken.
  const text = String(value);
  return Number.isInteger(value) ? `${text}.0` : text;
}
