/**
 * What a YAML file says, free of the parser: scalars are text as written, aliases and merge keys are resolved, and
 * every value knows its offset in the file, so that whoever finds it wrong can say where.
 */
export type YamlNode = YamlScalar | YamlList | YamlMap;

export interface YamlScalar {
  readonly type: 'scalar';
  readonly text: string;
  /** Written without quotes: may stand for null, a number or a truth value. */
  readonly plain: boolean;
  readonly at: number;
}

export interface YamlList {
  readonly type: 'list';
  readonly items: readonly YamlNode[];
  readonly at: number;
}

export interface YamlMap {
  readonly type: 'map';
  readonly entries: readonly YamlEntry[];
  readonly at: number;
}

export interface YamlEntry {
  readonly key: string;
  readonly keyAt: number;
  readonly value: YamlNode;
}
