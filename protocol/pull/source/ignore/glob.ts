/**
 * git's wildmatch, without its backtracking: a pattern becomes steps, and a match keeps the set of steps that the text
 * so far may have come to. Time is (bytes of text) × (steps), whatever the pattern. Patterns and texts are latin1-held.
 */
import { assertNever } from '../../../base/assert.ts';
import { type ByteSet, readCharacterClass } from './character-class.ts';

type Step =
  | { readonly type: 'byte'; readonly code: number }
  | { readonly type: 'any' }
  | { readonly type: 'class'; readonly bytes: ByteSet }
  /** Any number of bytes, `/` only if `deep`. */
  | { readonly type: 'gap'; readonly deep: boolean }
  /** The next two steps, `**` and its `/`, may be left out together. */
  | { readonly type: 'choice' };

export interface GlobOptions {
  /** `/` is matched by `/` and `**` alone; otherwise the text has none. */
  readonly path: boolean;
  /** Texts are in lower case (`foldCase`) already. */
  readonly ignoreCase: boolean;
}

const slash = 0x2f;

/** Bytes up to the first that is special in a pattern. */
export function literalLength(pattern: string): number {
  const at = pattern.search(/[*?[\\]/);
  return at < 0 ? pattern.length : at;
}

/** ASCII letters in lower case, all else as it is. */
export function foldCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}

/** A pattern, compiled. Undefined for one that can match nothing (an open class, a backslash at the end). */
export function compileGlob(pattern: string, options: GlobOptions): Glob | undefined {
  const steps: Step[] = [];
  let at = 0;
  while (at < pattern.length) {
    const char = pattern[at];
    if (char === '*') {
      let end = at;
      while (pattern[end] === '*') end += 1;
      const whole = (at === 0 || pattern[at - 1] === '/') && /^$|^\\?\//.test(pattern.slice(end, end + 2));
      const deep = options.path && end - at > 1 && whole;
      if (deep && pattern[end] === '/') steps.push({ type: 'choice' });
      steps.push({ type: 'gap', deep });
      at = end;
    } else if (char === '?') {
      steps.push({ type: 'any' });
      at += 1;
    } else if (char === '[') {
      const found = readCharacterClass(pattern, at, options.ignoreCase);
      if (found === undefined) return undefined;
      steps.push({ type: 'class', bytes: found.bytes });
      at = found.end;
    } else {
      const escaped = char === '\\';
      if (escaped && at + 1 === pattern.length) return undefined;
      // git does not fold an escaped letter, so that `\A` matches nothing where case is ignored.
      const text = escaped ? pattern.slice(at + 1, at + 2) : pattern.slice(at, at + 1);
      const code = (options.ignoreCase && !escaped ? foldCase(text) : text).charCodeAt(0);
      steps.push({ type: 'byte', code });
      at += escaped ? 2 : 1;
    }
  }
  return new Glob(steps);
}

export class Glob {
  readonly #steps: readonly Step[];
  readonly #minBytes: number;
  /** The bytes a matching text must end in. */
  readonly #end: string;
  /** Number of `/` in every matching text; undefined if that varies. */
  readonly slashes: number | undefined;
  /** Used by one match at a time. */
  #now: Uint8Array;
  #next: Uint8Array;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.#minBytes = minimum(steps);
    this.#end = literalEnd(steps);
    const deep = steps.some((step) => step.type === 'gap' && step.deep);
    this.slashes = deep ? undefined : steps.filter((step) => step.type === 'byte' && step.code === slash).length;
    this.#now = new Uint8Array(steps.length + 1);
    this.#next = new Uint8Array(steps.length + 1);
  }

  /** Whether `text` from `start` on matches as a whole. */
  matches(text: string, start = 0): boolean {
    if (text.length - start < this.#minBytes || !text.endsWith(this.#end)) return false;
    this.#now.fill(0);
    this.#now[0] = 1;
    for (let at = start; at < text.length; at += 1) if (!this.#advance(text.charCodeAt(at))) return false;
    this.#skipGaps();
    return this.#now[this.#steps.length] === 1;
  }

  /** False once nothing can match any more. */
  #advance(code: number): boolean {
    this.#skipGaps();
    const now = this.#now;
    const next = this.#next.fill(0);
    let alive = false;
    for (const [index, step] of this.#steps.entries()) {
      if (now[index] === 0 || !accepts(step, code)) continue;
      next[step.type === 'gap' ? index : index + 1] = 1;
      alive = true;
    }
    this.#now = next;
    this.#next = now;
    return alive;
  }

  #skipGaps(): void {
    const now = this.#now;
    for (const [index, step] of this.#steps.entries()) {
      if (now[index] === 0 || (step.type !== 'gap' && step.type !== 'choice')) continue;
      now[index + 1] = 1;
      if (step.type === 'choice') now[index + 3] = 1;
    }
  }
}

function accepts(step: Step, code: number): boolean {
  switch (step.type) {
    case 'byte':
      return step.code === code;
    case 'any':
      return code !== slash;
    case 'class':
      return code !== slash && step.bytes[code] === 1;
    case 'gap':
      return code !== slash || step.deep;
    case 'choice':
      return false;
    default:
      return assertNever(step);
  }
}

/** Whether the step at `index` is the `/` that its `**` may leave out. */
function isOptional(steps: readonly Step[], index: number): boolean {
  return steps[index - 2]?.type === 'choice';
}

function minimum(steps: readonly Step[]): number {
  return steps.filter(({ type }, index) => type !== 'gap' && type !== 'choice' && !isOptional(steps, index)).length;
}

function literalEnd(steps: readonly Step[]): string {
  let end = '';
  for (let index = steps.length - 1; index >= 0; index -= 1) {
    const step = steps[index];
    if (step?.type !== 'byte' || isOptional(steps, index)) break;
    end = String.fromCharCode(step.code) + end;
  }
  return end;
}
