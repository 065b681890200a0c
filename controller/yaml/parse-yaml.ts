import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Pair,
  type ParsedNode,
  parseDocument,
  type YAMLError,
} from 'yaml';
import { quoted, type YamlFile } from './yaml-file.ts';
import type { YamlEntry, YamlMap, YamlNode } from './yaml-node.ts';

/** Limits on a file that people write by hand; they bound the time that parsing holds the event loop. */
export const yamlLimits = { bytes: 1 << 20, tokens: 50_000, depth: 32, aliases: 100 } as const;

const plainTags: readonly string[] = ['tag:yaml.org,2002:str', 'tag:yaml.org,2002:map', 'tag:yaml.org,2002:seq'];

/**
 * Parses one YAML document. Undefined for an empty file. Throws the file's error for anything that is not valid YAML,
 * has several documents, a key twice, a tag, a key that is no scalar, an alias without its anchor or inside it, or
 * exceeds `yamlLimits`. Keeps the order of keys; those of merge keys (`<<`) come last.
 */
export function parseYaml(file: YamlFile): YamlNode | undefined {
  const document = parseYamlDocument(file);
  return document.contents === null ? undefined : new Converter(file).convert(document.contents, 0);
}

/** The parser's own document, for editing it with its comments. Checks syntax and limits only. */
export function parseYamlDocument(file: YamlFile): Document.Parsed {
  checkTokens(file);
  const document = parseDocument(file.text, {
    // Every scalar stays text: yaml-scalar.ts decides what it stands for.
    schema: 'failsafe',
    // Quadratic in the parser; the converter checks keys itself.
    uniqueKeys: false,
    prettyErrors: false,
    // Not 'silent', which would take the first of several documents.
    logLevel: 'error',
  });
  const [error] = document.errors;
  if (error !== undefined) throw syntaxError(file, error);
  return document;
}

function checkTokens(file: YamlFile): void {
  let tokens = 0;
  let open = 0;
  let inLine = 0;
  let at = 0;
  for (const token of new Lexer().lex(file.text)) {
    tokens += 1;
    if (token === '[' || token === '{') open += 1;
    else if (token === ']' || token === '}') open -= 1;
    else if (token === '-' || token === '?') inLine += 1;
    else if (token.includes('\n')) inLine = 0;
    if (tokens > yamlLimits.tokens) {
      throw file.fail(0, `more than ${yamlLimits.tokens} YAML tokens`, 'split the file');
    }
    if (open + inLine > yamlLimits.depth) throw tooDeep(file, at);
    // The lexer's own marks of documents and scalars are not in the text.
    if (!/^[\u0002\u0018\u001f]$/.test(token)) at += token.length;
  }
}

function tooDeep(file: YamlFile, at: number): Error {
  return file.fail(at, `values are nested more than ${yamlLimits.depth} deep`, 'flatten the value');
}

function syntaxError(file: YamlFile, error: YAMLError): Error {
  const [at] = error.pos;
  if (error.code === 'MULTIPLE_DOCS') {
    return file.fail(
      at,
      'the file has several YAML documents',
      "keep one document: remove what follows the '---' line",
    );
  }
  const message = `${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
  return file.fail(at, `not valid YAML: ${message}`, syntaxHints[error.code] ?? 'mend the syntax at that place');
}

const syntaxHints: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with spaces',
  BLOCK_AS_IMPLICIT_KEY: "put a value that contains ': ' in quotes",
  MISSING_CHAR: 'close the quote or bracket',
  BAD_INDENT: 'indent the line like its neighbours',
};

class Converter {
  readonly #file: YamlFile;
  readonly #anchors = new Map<string, YamlNode | undefined>();
  #aliases = 0;

  constructor(file: YamlFile) {
    this.#file = file;
  }

  convert(node: ParsedNode, depth: number): YamlNode {
    const at = node.range[0];
    if (depth > yamlLimits.depth) throw tooDeep(this.#file, at);
    if (isAlias(node)) return this.#resolve(node.source, at);
    if (node.tag !== undefined && !plainTags.includes(node.tag)) {
      throw this.#file.fail(at, `the YAML tag ${quoted(node.tag)} is not known`, 'remove the tag');
    }
    // Known only once whole: an alias inside its own anchor finds undefined.
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, undefined);
    const converted = this.#content(node, at, depth);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, converted);
    return converted;
  }

  #content(node: Exclude<ParsedNode, Alias.Parsed>, at: number, depth: number): YamlNode {
    if (isMap(node)) return this.#map(node.items, at, depth);
    if (isSeq(node)) return { type: 'list', items: node.items.map((item) => this.convert(item, depth + 1)), at };
    if (isScalar(node))
      return { type: 'scalar', text: String(node.value), plain: node.type === 'PLAIN' && node.tag === undefined, at };
    throw this.#file.fail(at, 'the YAML is of no known kind', 'write mappings, lists and text');
  }

  #resolve(name: string, at: number): YamlNode {
    this.#aliases += 1;
    if (this.#aliases > yamlLimits.aliases) {
      throw this.#file.fail(at, `more than ${yamlLimits.aliases} aliases`, 'write the values out');
    }
    const found = this.#anchors.get(name);
    if (found !== undefined) return found;
    const why = this.#anchors.has(name) ? 'lies inside the anchor it names' : 'has no anchor before it';
    throw this.#file.fail(at, `the alias ${quoted(`*${name}`)} ${why}`, `define it before with &${name}`);
  }

  #map(pairs: readonly Pair<ParsedNode, ParsedNode | null>[], at: number, depth: number): YamlMap {
    const entries: YamlEntry[] = [];
    const seen = new Set<string>();
    const merged: YamlMap[] = [];
    for (const { key, value } of pairs) {
      if (!isScalar(key)) throw this.#file.fail(key.range[0], 'a key is no plain text', 'put the key in quotes');
      const keyAt = key.range[0];
      const name = String(key.value);
      const converted: YamlNode =
        value === null ? { type: 'scalar', text: '', plain: true, at: keyAt } : this.convert(value, depth + 1);
      if (name === '<<' && key.type === 'PLAIN') {
        merged.push(...this.#mergeSources(converted));
        continue;
      }
      if (seen.has(name)) throw this.#file.fail(keyAt, `the key ${quoted(name)} is there twice`, 'keep one of the two');
      seen.add(name);
      entries.push({ key: name, keyAt, value: converted });
    }
    for (const entry of merged.flatMap((map) => map.entries)) {
      if (seen.has(entry.key)) continue;
      seen.add(entry.key);
      entries.push(entry);
    }
    return { type: 'map', entries, at };
  }

  #mergeSources(node: YamlNode): readonly YamlMap[] {
    const nodes = node.type === 'list' ? node.items : [node];
    return nodes.map((source) => {
      if (source.type === 'map') return source;
      throw this.#file.fail(source.at, 'a merge key (<<) takes mappings only', 'name an anchor of a mapping');
    });
  }
}
