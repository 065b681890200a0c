/** The bytes one position of a pattern may match; indexed by byte. */
export type ByteSet = Uint8Array;

export interface CharacterClass {
  readonly bytes: ByteSet;
  /** Just after the closing bracket. */
  readonly end: number;
}

/** As git has them, whatever the locale; git's `space` has no vertical tab and no form feed. */
const named: ReadonlyMap<string, RegExp> = new Map([
  ['alnum', /[A-Za-z0-9]/],
  ['alpha', /[A-Za-z]/],
  ['blank', /[ \t]/],
  ['cntrl', /[\0-\x1f\x7f]/],
  ['digit', /[0-9]/],
  ['graph', /[!-~]/],
  ['lower', /[a-z]/],
  ['print', /[ -~]/],
  ['punct', /[!-/:-@[-`{-~]/],
  ['space', /[ \t\n\r]/],
  ['upper', /[A-Z]/],
  ['xdigit', /[0-9A-Fa-f]/],
]);

/**
 * Reads the character class whose `[` stands at `start` of `pattern`, as wildmatch does. Undefined when it is malformed:
 * then the whole pattern matches nothing. With `ignoreCase` the text is in lower case already; bytes of the set are not
 * folded but by ranges and `[:upper:]`, as git does it.
 */
export function readCharacterClass(pattern: string, start: number, ignoreCase: boolean): CharacterClass | undefined {
  const bytes: ByteSet = new Uint8Array(256);
  let at = start + 1;
  const negated = pattern[at] === '!' || pattern[at] === '^';
  if (negated) at += 1;
  let previous = -1;
  // The first byte is a member even if it is `]`.
  for (let first = true; first || pattern[at] !== ']'; first = false, at += 1) {
    let code = codeAt(pattern, at);
    if (code === undefined) return undefined;
    const next = codeAt(pattern, at + 1);
    if (pattern[at] === '\\') {
      at += 1;
      if (next === undefined) return undefined;
      code = next;
      bytes[code] = 1;
    } else if (pattern[at] === '-' && previous > 0 && next !== undefined && pattern[at + 1] !== ']') {
      at += pattern[at + 1] === '\\' ? 2 : 1;
      const last = codeAt(pattern, at);
      if (last === undefined) return undefined;
      addRange(bytes, previous, last, ignoreCase);
      code = -1;
    } else if (pattern[at] === '[' && pattern[at + 1] === ':') {
      const close = pattern.indexOf(']', at + 2);
      if (close < 0) return undefined;
      if (close > at + 2 && pattern[close - 1] === ':') {
        if (!addNamed(bytes, pattern.slice(at + 2, close - 1), ignoreCase)) return undefined;
        at = close;
        code = -1;
      } else bytes[code] = 1;
    } else bytes[code] = 1;
    previous = code;
  }
  return { bytes: negated ? bytes.map((has) => 1 - has) : bytes, end: at + 1 };
}

function codeAt(pattern: string, at: number): number | undefined {
  return at < pattern.length ? pattern.charCodeAt(at) : undefined;
}

function addRange(bytes: ByteSet, first: number, last: number, ignoreCase: boolean): void {
  for (let code = first; code <= last; code += 1) {
    bytes[code] = 1;
    if (ignoreCase && code >= 0x41 && code <= 0x5a) bytes[code + 0x20] = 1;
  }
}

function addNamed(bytes: ByteSet, name: string, ignoreCase: boolean): boolean {
  const members = named.get(name);
  if (members === undefined) return false;
  const both = ignoreCase && name === 'upper' ? /[A-Za-z]/ : members;
  for (let code = 0; code < 256; code += 1) if (both.test(String.fromCharCode(code))) bytes[code] = 1;
  return true;
}
