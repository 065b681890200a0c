import { stat } from 'node:fs/promises';
import { isNull, quoted, type YamlFile } from '../yaml/yaml-file.ts';
import type { YamlNode, YamlScalar } from '../yaml/yaml-node.ts';
import { localPath } from './local-path.ts';
import { substitute, unsetVariable } from './substitute.ts';
import type { TaskContext } from './task-context.ts';

/** What a file mount is read with. */
export interface MountContext extends TaskContext {
  readonly file: YamlFile;
  readonly variables: ReadonlyMap<string, string>;
  readonly hasWorkdir: boolean;
  warn(at: number, text: string): void;
}

/** A path of this machine that is there, absolute. */
export async function existingPath(node: YamlScalar, context: MountContext): Promise<string> {
  const { file, variables } = context;
  const path = localPath(substitute(node.text, variables), context);
  // What cannot be looked at is not there for us; the sync would say no more.
  const there = node.text !== '' && !path.includes('\0') && (await stat(path).catch(() => undefined)) !== undefined;
  if (there) return path;
  const unset = unsetVariable(node.text, variables);
  const hint =
    unset === undefined ? 'correct the path: it is relative to where tow runs' : `${unset} is not among envs`;
  throw file.fail(
    node.at,
    `the source ${quoted(node.text)} does not exist here (${quoted(path)})`,
    hint,
    'mount-source-missing',
  );
}

/** Whether a value is text; used for items of a list. */
export function isScalar(node: YamlNode): node is YamlScalar {
  return node.type === 'scalar' && !isNull(node);
}
