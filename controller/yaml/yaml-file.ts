import { type ErrorCode, TowError } from '../../protocol/base/errors.ts';
import { bytesOf, displayPath } from '../../protocol/base/root-path.ts';
import { suggestion } from './nearest.ts';
import type { YamlMap, YamlNode } from './yaml-node.ts';
import { scalarText, scalarValue } from './yaml-scalar.ts';

/**
 * A YAML file as people named it, and the errors and typed values read from it. Messages are
 * `FILE:LINE:COLUMN: what is wrong` (both from 1, columns in UTF-16 units) and never quote a value unless the caller does.
 */
export class YamlFile {
  readonly name: string;
  readonly text: string;
  readonly #code: ErrorCode;

  constructor(name: string, text: string, code: ErrorCode) {
    this.name = name;
    this.text = text;
    this.#code = code;
  }

  /** Where an offset lies: `task.yaml:3:7`. */
  place(at: number): string {
    const before = this.text.slice(0, at);
    const line = before.split('\n').length;
    return `${safe(this.name)}:${line}:${at - before.lastIndexOf('\n')}`;
  }

  fail(at: number, message: string, hint: string, code: ErrorCode = this.#code): TowError {
    return new TowError(code, `${this.place(at)}: ${safe(message)}`, { hint: safe(hint) });
  }

  /** Fails for the first key of `map` that is not in `known`, naming the nearest that is, or else those of `listed`. */
  checkKeys(map: YamlMap, known: readonly string[], what: string, listed: readonly string[] = known): void {
    for (const { key, keyAt } of map.entries) {
      if (known.includes(key)) continue;
      throw this.fail(keyAt, `${what} has no key ${quoted(key)}`, suggestion(key, known, listed));
    }
  }

  /** The mapping a value must be; null counts as absent. */
  map(node: YamlNode | undefined, what: string): YamlMap | undefined {
    if (node === undefined || isNull(node)) return undefined;
    if (node.type === 'map') return node;
    throw this.fail(
      node.at,
      `${what} must be a mapping, not ${kindOf(node)}`,
      `write ${what} as lines of \`key: value\``,
    );
  }

  /** The text of a scalar that must be a string, as the file has it; null counts as absent. */
  string(node: YamlNode | undefined, what: string): string | undefined {
    if (node === undefined || isNull(node)) return undefined;
    if (node.type === 'scalar' && (!node.plain || scalarValue(node.text).type === 'text')) return node.text;
    throw this.fail(node.at, `${what} must be a string, not ${kindOf(node)}`, 'put the value in quotes');
  }

  /** As `string`, but numbers and truth values become text as the incumbent makes it. */
  textOf(node: YamlNode, what: string): string | undefined {
    if (node.type !== 'scalar') {
      throw this.fail(node.at, `${what} must be a string, not ${kindOf(node)}`, 'put the value in quotes');
    }
    return node.plain ? scalarText(node.text) : node.text;
  }

  bool(node: YamlNode | undefined, what: string): boolean | undefined {
    if (node === undefined || isNull(node)) return undefined;
    const value = node.type === 'scalar' && node.plain ? scalarValue(node.text) : undefined;
    if (value?.type === 'bool') return value.value;
    throw this.fail(
      node.at,
      `${what} must be true or false, not ${kindOf(node)}`,
      'write true or false, without quotes',
    );
  }

  /** A whole number from `least` to `most`. */
  int(node: YamlNode | undefined, what: string, least: number, most: number): number | undefined {
    if (node === undefined || isNull(node)) return undefined;
    const value = node.type === 'scalar' && node.plain ? scalarValue(node.text) : undefined;
    if (value?.type === 'int' && value.value >= BigInt(least) && value.value <= BigInt(most))
      return Number(value.value);
    throw this.fail(
      node.at,
      `${what} must be a whole number from ${least} to ${most}, not ${value?.type === 'int' ? String(value.value) : kindOf(node)}`,
      `write a number without quotes, for example ${what}: ${least}`,
    );
  }

  /** One of `choices`, whatever its case, as it stands in `choices`. */
  choice<const T extends string>(node: YamlNode | undefined, what: string, choices: readonly T[]): T | undefined {
    const text = this.string(node, what);
    if (text === undefined || node === undefined) return undefined;
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
    if (found !== undefined) return found;
    throw this.fail(node.at, `${what} cannot be ${quoted(text)}`, suggestion(text, choices));
  }
}

/** The value of a key, if the mapping has it. */
export function valueOf(map: YamlMap | undefined, key: string): YamlNode | undefined {
  return map?.entries.find((entry) => entry.key === key)?.value;
}

export function isNull(node: YamlNode): boolean {
  return node.type === 'scalar' && node.plain && scalarValue(node.text).type === 'null';
}

/** Text of a file for people: quoted, shortened, without anything that drives a terminal. */
export function quoted(text: string): string {
  return `'${safe(text.length > 200 ? `${text.slice(0, 200)}…` : text)}'`;
}

function safe(text: string): string {
  return displayPath(bytesOf(text));
}

function kindOf(node: YamlNode): string {
  if (node.type === 'map') return 'a mapping';
  if (node.type === 'list') return 'a list';
  if (!node.plain) return 'a string';
  const { type } = scalarValue(node.text);
  return { null: 'nothing', bool: 'a truth value', int: 'a number', float: 'a number', text: 'a string' }[type];
}
