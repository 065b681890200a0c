/** What ignore rules were read from and said, kept to tell later whether they still say it. */
import { posix } from 'node:path';
import { isHead, joinTo } from './repository.ts';
import { RuleReader, type Tracked } from './rule-reader.ts';
import { differingNames, sameNames } from './tracked-names.ts';
import { readTrackedPaths } from './tracked-paths.ts';

export interface RuleState {
  /** Absolute, latin1-held, sorted: every file that was read or looked for, there or not. While none changes, no verdict does. */
  readonly inputs: readonly string[];
  /** What was found, see `RuleReader.facts`. */
  readonly facts: ReadonlyMap<string, string>;
  /** By git directory. */
  readonly tracked: ReadonlyMap<string, Tracked>;
}

/** Of several walks of one tree; undefined when they did not find the same. */
export function combineRules(states: readonly RuleState[]): RuleState | undefined {
  const facts = new Map<string, string>();
  const tracked = new Map<string, Tracked>();
  for (const state of states) {
    for (const [key, answer] of state.facts) {
      if ((facts.get(key) ?? answer) !== answer) return undefined;
      facts.set(key, answer);
    }
    for (const [gitDir, one] of state.tracked) {
      const known = tracked.get(gitDir);
      if (known === undefined) tracked.set(gitDir, one);
      else if (!sameNames(known.names, one.names)) return undefined;
    }
  }
  return { inputs: [...new Set(states.flatMap(({ inputs }) => inputs))].sort(), facts, tracked };
}

export interface Renewal {
  readonly state: RuleState;
  /** Absolute: paths that git tracks now and did not, or the other way round. No other verdict has changed. */
  readonly affected: readonly string[];
}

/** With more, a scan of everything is no slower. */
const mostAffected = 4096;

/** Looks again at inputs that `changed`; undefined when any verdict may be another one now. Blocking. */
export function renewRules(state: RuleState, changed: readonly string[]): Renewal | undefined {
  const reader = new RuleReader();
  const left = new Set(changed);
  for (const [fact, answer] of state.facts) {
    const path = fact.slice(fact.indexOf(' ') + 1);
    if (!left.has(path)) continue;
    if (answerOf(fact.slice(0, fact.indexOf(' ')), path, reader) !== answer) return undefined;
  }
  const tracked = new Map(state.tracked);
  const affected: string[] = [];
  for (const [gitDir, { index, names }] of state.tracked) {
    if (!changed.some((path) => isIndexOf(gitDir, path))) continue;
    const now = readTrackedPaths(index, reader);
    tracked.set(gitDir, { index, names: now });
    const paths = differingNames(names, now, mostAffected);
    // Folded paths are not those on the disk.
    if (paths === undefined || (index.ignoreCase && paths.length > 0)) return undefined;
    for (const path of paths) affected.push(joinTo(index.top, path));
  }
  const answered = new Set([...state.facts.keys()].map((fact) => fact.slice(fact.indexOf(' ') + 1)));
  for (const path of changed)
    if (!answered.has(path) && ![...state.tracked.keys()].some((gitDir) => isIndexOf(gitDir, path))) return undefined;
  if (reader.warnings().length > 0 || affected.length > mostAffected) return undefined;
  const inputs = [...new Set([...state.inputs, ...reader.inputs()])].sort();
  return { state: { inputs, facts: state.facts, tracked }, affected };
}

function isIndexOf(gitDir: string, path: string): boolean {
  const name = posix.basename(path);
  return posix.dirname(path) === gitDir && (name === 'index' || name.startsWith('sharedindex.'));
}

function answerOf(question: string, path: string, reader: RuleReader): string | undefined {
  if (question === 'head') isHead(path, reader);
  else if (question === 'kind') reader.kind(path);
  else reader.read(path, { follow: question === 'follow' });
  return reader.facts().get(`${question} ${path}`);
}
