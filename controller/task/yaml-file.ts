/** YAML as a tree whose every value knows its place in the file, so that errors can say line and column. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { type ErrorCode, TowError } from '../../protocol/base/errors.ts';
import { nearest } from './nearest.ts';

const maxBytes = 1 << 20;
const maxAliases = 100;
const maxDepth = 32;

export type YamlValue = YamlScalar | YamlMap | YamlList;
export interface YamlScalar {
  readonly type: 'scalar';
  readonly value: string | number | boolean | null;
  /** As it stood in the file, so that `1.10` stays `1.10`. */
  readonly source: string;
  readonly at: Position;
}
export interface YamlMap {
  readonly type: 'map';
  readonly entries: readonly { readonly key: string; readonly at: Position; readonly value: YamlValue }[];
  readonly at: Position;
}
export interface YamlList {
  readonly type: 'list';
  readonly items: readonly YamlValue[];
  readonly at: Position;
}
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Fails at a place in a file. */
export function failAt(at: Position, code: ErrorCode, message: string, hint?: string): never {
  throw new TowError(code, `${at.file}:${at.line}:${at.column}: ${message}`, hint === undefined ? {} : { hint });
}

/** Parses one YAML document. Throws `code` with line and column. An empty document is an empty map. */
export function parseYaml(text: string, file: string, code: ErrorCode): YamlValue {
  const start: Position = { file, line: 1, column: 1 };
  if (Buffer.byteLength(text) > maxBytes) failAt(start, code, `the file has ${Buffer.byteLength(text)} bytes, at most ${maxBytes} are read`);
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, strict: true, merge: true, logLevel: 'silent' });
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (!Array.isArray(documents)) return { type: 'map', entries: [], at: start };
  const [document, second] = documents;
  if (second !== undefined) failAt(place(second.range?.[0] ?? 0), code, 'a second document begins here', 'put one task in one file');
  if (document === undefined) return { type: 'map', entries: [], at: start };
  const [error] = document.errors;
  if (error !== undefined) failAt(place(error.pos[0]), code, (error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, ''));
  let aliases = 0;
  const convert = (node: unknown, depth: number, at: Position): YamlValue => {
    if (depth > maxDepth) failAt(at, code, `nested deeper than ${maxDepth} levels`);
    if (isAlias(node)) {
      aliases += 1;
      if (aliases > maxAliases) failAt(at, code, `more than ${maxAliases} aliases`);
      return convert(node.resolve(document), depth + 1, at);
    }
    const here = positionOf(node, at, place);
    if (isMap(node)) {
      const entries = node.items.map((pair) => {
        const keyAt = positionOf(pair.key, here, place);
        const key = isScalar(pair.key) ? String(pair.key.value) : failAt(keyAt, code, 'a key must be a plain word');
        return { key, at: keyAt, value: convert(pair.value, depth + 1, keyAt) };
      });
      return { type: 'map', entries, at: here };
    }
    if (isSeq(node)) return { type: 'list', items: node.items.map((item) => convert(item, depth + 1, here)), at: here };
    if (isScalar(node)) {
      const { value, source } = node;
      const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null;
      return { type: 'scalar', value: plain ? value : String(value), source: typeof value === 'string' ? value : (source ?? String(value)), at: here };
    }
    return { type: 'scalar', value: null, source: '', at: here };
  };
  const root = convert(document.contents, 0, start);
  return root.type === 'scalar' && root.value === null ? { type: 'map', entries: [], at: start } : root;
}

function positionOf(node: unknown, otherwise: Position, place: (offset: number) => Position): Position {
  const range = isNode(node) ? node.range : undefined;
  return range === undefined || range === null ? otherwise : place(range[0]);
}

function isNode(node: unknown): node is Node {
  return isMap(node) || isSeq(node) || isScalar(node) || isAlias(node);
}

/** Refuses a key that is not known, naming the nearest that is. */
export function checkKeys(map: YamlMap, known: readonly string[], what: string, code: ErrorCode): void {
  for (const { key, at } of map.entries) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    failAt(at, code, `${what} has no key ${JSON.stringify(key)}`, near === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${JSON.stringify(near)}?`);
  }
}

export function entryOf(map: YamlMap, key: string): YamlValue | undefined {
  const value = map.entries.find((entry) => entry.key === key)?.value;
  return value?.type === 'scalar' && value.value === null ? undefined : value;
}

/** A scalar as text, numbers and booleans as they stood. */
export function textOf(value: YamlValue, what: string, code: ErrorCode): string {
  return value.type === 'scalar' && value.value !== null ? value.source : failAt(value.at, code, `${what} must be text`);
}

export function mapOf(value: YamlValue, what: string, code: ErrorCode): YamlMap {
  return value.type === 'map' ? value : failAt(value.at, code, `${what} must be a mapping (key: value)`);
}
