import { limits } from '../../protocol/wire/limits.ts';
import { nearest } from '../yaml/nearest.ts';
import { parseYaml } from '../yaml/parse-yaml.ts';
import { isNull, quoted, valueOf, type YamlFile } from '../yaml/yaml-file.ts';
import type { YamlMap, YamlNode } from '../yaml/yaml-node.ts';
import { parseFileMounts } from './file-mounts.ts';
import { localPath } from './local-path.ts';
import { substitute } from './substitute.ts';
import { defaultSync, type SyncSettings, type Task, type Workdir } from './task.ts';
import type { TaskContext } from './task-context.ts';
import { resourceKeys, taskKeys } from './task-keys.ts';
import { fileVariables } from './variables.ts';

export interface LineSettings {
  readonly envs: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, string>;
  /** Takes the place of the file's; null for none. */
  readonly workdir: Workdir | null | undefined;
}

const maxNodes = 1000;
const namePattern = /^[A-Za-z0-9]+(?:[._-]{1,2}[A-Za-z0-9]+)*$/;
const longestName = 128;

/** A task file's task. Rejects with `invalid-task` or `mount-source-missing`, at line and column. */
export async function parseTask(file: YamlFile, line: LineSettings, context: TaskContext): Promise<Task> {
  const warnings: string[] = [];
  const warned = new Set<string>();
  const warn = (at: number, text: string): void => {
    if (warned.has(text)) return;
    warned.add(text);
    warnings.push(`${file.place(at)}: ${text}`);
  };
  const root = file.map(parseYaml(file), 'a task') ?? { type: 'map', entries: [], at: 0 };
  file.checkKeys(root, [...taskKeys.used, ...taskKeys.ignored], 'a task', taskKeys.used);
  warnOfIgnored(root, taskKeys.ignored, '', warn);
  const envs = fileVariables(file, root, 'envs', line.envs, warn);
  const secrets = fileVariables(file, root, 'secrets', line.secrets, warn);
  const variables = new Map([...envs, ...secrets]);
  const ownWorkdir = parseWorkdir(valueOf(root, 'workdir'), file, variables, context);
  const workdir = line.workdir === undefined ? ownWorkdir : (line.workdir ?? undefined);
  const mounts = file.map(valueOf(root, 'file_mounts'), 'file_mounts');
  return {
    name: parseName(valueOf(root, 'name'), file),
    workdir,
    numNodes: file.int(valueOf(root, 'num_nodes'), 'num_nodes', 1, maxNodes),
    infra: parseResources(valueOf(root, 'resources'), file, warn),
    envs,
    secrets,
    setup: parseScript(root, 'setup', file),
    run: parseScript(root, 'run', file),
    sync: parseSync(valueOf(root, 'sync'), file),
    fileMounts:
      mounts === undefined
        ? []
        : await parseFileMounts(mounts, { file, variables, hasWorkdir: workdir !== undefined, warn, ...context }),
    warnings,
  };
}

function warnOfIgnored(
  map: YamlMap,
  ignored: readonly string[],
  prefix: string,
  warn: (at: number, text: string) => void,
): void {
  for (const { key, keyAt } of map.entries) {
    if (ignored.includes(key)) warn(keyAt, `${prefix}${key} does nothing here`);
  }
}

function parseName(node: YamlNode | undefined, file: YamlFile): string | undefined {
  const name = file.string(node, 'name');
  if (name === undefined || (namePattern.test(name) && name.length <= longestName)) return name;
  const hint = `a name has at most ${longestName} letters and digits, with . - or _ between them`;
  throw file.fail(node?.at ?? 0, `${quoted(name)} is no name for a task`, hint);
}

function parseScript(root: YamlMap, key: 'setup' | 'run', file: YamlFile): string | undefined {
  const node = valueOf(root, key);
  const script = file.string(node, key);
  const bytes = Buffer.byteLength(script ?? '');
  if (script?.includes('\0') === true) throw file.fail(node?.at ?? 0, `${key} contains a NUL character`, 'remove it');
  if (bytes <= limits.scriptBytes) return script;
  throw file.fail(
    node?.at ?? 0,
    `${key} has ${bytes} bytes, at most ${limits.scriptBytes} are run`,
    'put the script into a file of the workdir and run that',
  );
}

function parseWorkdir(
  node: YamlNode | undefined,
  file: YamlFile,
  variables: ReadonlyMap<string, string>,
  context: TaskContext,
): Workdir | undefined {
  if (node?.type !== 'map') {
    const text = file.string(node, 'workdir');
    if (text === undefined) return undefined;
    const path = substitute(text, variables);
    if (path !== '' && !path.includes('\0')) return { type: 'local', path: localPath(path, context) };
    throw file.fail(node?.at ?? 0, 'workdir names no directory', 'write workdir: PATH');
  }
  file.checkKeys(node, ['url', 'ref'], 'workdir');
  const url = file.string(valueOf(node, 'url'), 'url');
  const ref = file.string(valueOf(node, 'ref'), 'ref');
  if (url === undefined) throw file.fail(node.at, 'workdir has no url', 'write workdir: {url: URL, ref: BRANCH}');
  return {
    type: 'git',
    url: substitute(url, variables),
    ref: ref === undefined ? undefined : substitute(ref, variables),
  };
}

/** The infra that `resources` asks for, if it is one of ours: another's cloud means nothing here. */
function parseResources(
  node: YamlNode | undefined,
  file: YamlFile,
  warn: (at: number, text: string) => void,
): string | undefined {
  const map = file.map(node, 'resources');
  if (map === undefined) return undefined;
  checkResources(map, file);
  warnOfIgnored(map, resourceKeys.ignored, 'resources.', warn);
  const infra = valueOf(map, 'infra');
  const text = file.string(infra, 'infra');
  if (text === undefined || infra === undefined) return undefined;
  const [kind = '', ...rest] = text.split('/');
  const word = kind.toLowerCase();
  const choices = 'infra is local, ssh/POOL or join/POOL';
  if (word === 'local' && rest.length === 0) return 'local';
  if ((word === 'ssh' || word === 'join') && rest.length === 1 && rest[0] !== '') return `${word}/${rest.join('/')}`;
  const near = nearest(word, ['local', 'ssh', 'join']);
  if (near !== undefined) {
    throw file.fail(
      infra.at,
      `there is no infra ${quoted(text)}`,
      near === word ? choices : `did you mean ${near}? ${choices}`,
    );
  }
  warn(infra.at, `resources.infra: ${quoted(text)} does nothing here (${choices})`);
  return undefined;
}

function checkResources(map: YamlMap, file: YamlFile): void {
  file.checkKeys(map, [...resourceKeys.used, ...resourceKeys.ignored], 'resources', resourceKeys.used);
  for (const key of ['any_of', 'ordered']) {
    const node = valueOf(map, key);
    if (node === undefined || isNull(node)) continue;
    if (node.type !== 'list')
      throw file.fail(node.at, `resources.${key} must be a list`, 'write `- ` before each choice');
    for (const item of node.items) {
      const choice = file.map(item, `a choice of resources.${key}`);
      if (choice !== undefined) file.checkKeys(choice, [...resourceKeys.used, ...resourceKeys.ignored], 'resources');
    }
  }
}

function parseSync(node: YamlNode | undefined, file: YamlFile): SyncSettings {
  const map = file.map(node, 'sync');
  if (map === undefined) return defaultSync;
  file.checkKeys(map, Object.keys(defaultSync), 'sync');
  return {
    git: file.bool(valueOf(map, 'git'), 'sync.git') ?? defaultSync.git,
    credentials:
      file.choice(valueOf(map, 'credentials'), 'sync.credentials', ['forward', 'node']) ?? defaultSync.credentials,
    fetch: file.choice(valueOf(map, 'fetch'), 'sync.fetch', ['bucket', 'head']) ?? defaultSync.fetch,
    mirror: file.bool(valueOf(map, 'mirror'), 'sync.mirror') ?? defaultSync.mirror,
  };
}
