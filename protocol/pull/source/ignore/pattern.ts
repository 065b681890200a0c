import type { NamedRule } from '../tasks.ts';

/** One rule of an ignore file, taken apart as git does. Latin1-held. */
export interface Pattern {
  /** Without `!` and the final `/`. */
  readonly text: string;
  readonly rule: NamedRule;
  /** A later match that takes the path back in. */
  readonly negative: boolean;
  readonly dirOnly: boolean;
  /** Has no `/` but at its end: is compared with the name, at any depth. */
  readonly nameOnly: boolean;
}

/** Longer patterns could only match paths no file system has; they are left out. */
const maxPatternBytes = 4096;

export interface PatternFile {
  readonly patterns: readonly Pattern[];
  /** Lines left out because they are too long. */
  readonly tooLong: readonly number[];
}

/** Reads an ignore file; `file` names it in the rules. */
export function parsePatterns(content: string, file: string): PatternFile {
  const patterns: Pattern[] = [];
  const tooLong: number[] = [];
  const text = content.startsWith('\xef\xbb\xbf') ? content.slice(3) : content;
  for (const [index, whole] of text.split('\n').entries()) {
    if (whole === '' || whole.startsWith('#')) continue;
    const ended = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
    const nul = ended.indexOf('\0');
    const line = trimBlanks(nul < 0 ? ended : ended.slice(0, nul));
    if (line.length > maxPatternBytes) tooLong.push(index + 1);
    else if (line !== '') patterns.push(parsePattern(line, { file, line: index + 1, pattern: line }));
  }
  return { patterns, tooLong };
}

function parsePattern(line: string, rule: NamedRule): Pattern {
  const negative = line.startsWith('!');
  const rest = negative ? line.slice(1) : line;
  const dirOnly = rest.endsWith('/');
  const text = dirOnly ? rest.slice(0, -1) : rest;
  return { text, rule, negative, dirOnly, nameOnly: !text.includes('/') };
}

/** Without the blanks at the end, but for those behind a backslash. */
function trimBlanks(line: string): string {
  let blanks = -1;
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === ' ') {
      if (blanks < 0) blanks = at;
      continue;
    }
    blanks = -1;
    if (line[at] === '\\') {
      at += 1;
      if (at === line.length) return line;
    }
  }
  return blanks < 0 ? line : line.slice(0, blanks);
}
