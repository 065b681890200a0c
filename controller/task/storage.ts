import { lstat, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { isNull, quoted, valueOf } from '../yaml/yaml-file.ts';
import type { YamlMap, YamlNode, YamlScalar } from '../yaml/yaml-node.ts';
import { bucketNameProblem, isUri, parseBucketUri } from './bucket-uri.ts';
import { existingPath, isScalar, type MountContext } from './mount-context.ts';
import { substitute } from './substitute.ts';
import { type Storage, type StorageSource, type Store, storageModes, storeKinds } from './task.ts';
import { storageKeys } from './task-keys.ts';

/** A mount `{name, source, store, mode, persistent}`. Whether the bucket exists is not looked at. */
export async function parseStorage(map: YamlMap, dest: string, context: MountContext): Promise<Storage> {
  const { file, variables } = context;
  const what = `the storage at ${dest}`;
  file.checkKeys(map, [...storageKeys.used, ...storageKeys.ignored], what, storageKeys.used);
  for (const { key, keyAt } of map.entries) {
    if (storageKeys.ignored.some((ignored) => ignored === key)) context.warn(keyAt, `${key} does nothing here`);
  }
  const nameNode = valueOf(map, 'name');
  const nameText = file.string(nameNode, 'name');
  const source = await parseSource(valueOf(map, 'source'), dest, context);
  const store = parseStore(valueOf(map, 'store'), context);
  const name = nameText === undefined ? undefined : substitute(nameText, variables);
  const at = nameNode?.at ?? map.at;
  if (name !== undefined && isUri(name)) {
    throw file.fail(
      at,
      'the name of a storage is no URI',
      'a bucket that exists goes under source:, the kind of a new one under store:',
    );
  }
  if (name === undefined && source === undefined)
    throw file.fail(map.at, `${what} has neither name nor source`, 'give one of the two');
  if (name === undefined && source?.type !== 'bucket')
    throw file.fail(map.at, `${what} has no name`, 'name the bucket that the source goes to');
  if (name !== undefined && source?.type === 'bucket') {
    throw file.fail(
      at,
      `${what} has a name and a bucket as source`,
      'keep one of the two: the bucket has its name already',
    );
  }
  const problem = name === undefined ? undefined : bucketNameProblem(name, store?.kind ?? 'local');
  if (problem !== undefined) throw file.fail(at, problem.message, problem.hint);
  if (source?.type === 'bucket' && store !== undefined && source.uri.store !== store.kind) {
    throw file.fail(
      valueOf(map, 'store')?.at ?? at,
      `the source is a bucket of ${source.uri.store}, the store is ${store.kind}`,
      'leave store: out',
    );
  }
  return {
    name,
    source,
    store,
    mode: file.choice(valueOf(map, 'mode'), 'mode', storageModes) ?? 'MOUNT',
    persistent: file.bool(valueOf(map, 'persistent'), 'persistent') ?? true,
    readOnly: parseReadOnly(valueOf(map, 'config'), context),
    credentials: file.choice(valueOf(map, 'credentials'), 'credentials', ['forward', 'node']),
    fsync: file.choice(valueOf(map, 'fsync'), 'fsync', ['node', 'bucket']) ?? 'node',
  };
}

async function parseSource(
  node: YamlNode | undefined,
  dest: string,
  context: MountContext,
): Promise<StorageSource | undefined> {
  const { file, variables } = context;
  if (node === undefined || isNull(node)) return undefined;
  if (node.type === 'list') return { type: 'list', paths: await parseList(node.items, node.at, context) };
  if (!isScalar(node))
    throw file.fail(node.at, 'source must be a path, a URI or a list of paths', 'write source: PATH');
  const text = substitute(node.text, variables);
  if (isUri(text)) {
    const uri = parseBucketUri(text);
    if ('message' in uri) throw file.fail(node.at, `${quoted(node.text)}: ${uri.message}`, uri.hint);
    return { type: 'bucket', uri };
  }
  const path = await localSource(node, context);
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory() === true) return { type: 'directory', path };
  throw file.fail(
    node.at,
    `the source ${quoted(node.text)} of a storage is a file`,
    `write source: [${node.text}]: it will be ${dest}/${basename(node.text)}`,
  );
}

async function parseList(items: readonly YamlNode[], at: number, context: MountContext): Promise<readonly string[]> {
  const { file, variables } = context;
  const names = new Set<string>();
  const paths: string[] = [];
  for (const item of items) {
    if (!isScalar(item) || isUri(substitute(item.text, variables))) {
      throw file.fail(
        item.at,
        'a list of sources has local paths only',
        'give a bucket as source: URI, in a mount of its own',
      );
    }
    const path = await localSource(item, context);
    const name = basename(path);
    if (names.has(name))
      throw file.fail(
        item.at,
        `two sources are called ${quoted(name)}`,
        'rename one: each goes to its own name in the bucket',
      );
    names.add(name);
    paths.push(path);
  }
  if (paths.length === 0) throw file.fail(at, 'the list of sources is empty', 'name a path');
  return paths;
}

async function localSource(node: YamlScalar, context: MountContext): Promise<string> {
  if (/[^/]\/+$/.test(node.text)) {
    throw context.file.fail(
      node.at,
      `the source ${quoted(node.text)} ends with a slash`,
      `write ${node.text.replace(/\/+$/, '')}`,
    );
  }
  const path = await existingPath(node, context);
  if ((await lstat(path)).isSymbolicLink())
    context.warn(node.at, `the source ${quoted(node.text)} is a symlink: what it points to is uploaded`);
  return path;
}

/** `store: s3`, or `store: {s3: URL}` for another service that speaks S3. */
function parseStore(node: YamlNode | undefined, { file }: MountContext): Store | undefined {
  if (node?.type !== 'map') {
    const kind = file.choice(node, 'store', storeKinds);
    return kind === undefined ? undefined : { kind, endpoint: undefined };
  }
  file.checkKeys(node, ['s3'], 'store');
  const url = valueOf(node, 's3');
  const endpoint = file.string(url, 'the URL of an S3 service');
  if (endpoint !== undefined && /^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) return { kind: 's3', endpoint };
  throw file.fail(
    url?.at ?? node.at,
    'the URL of an S3 service begins with https:// or http://',
    'write store: {s3: https://HOST}',
  );
}

/** The one setting of `config` that means something here; the others tune the incumbent's tools. */
function parseReadOnly(node: YamlNode | undefined, context: MountContext): boolean {
  const { file } = context;
  const config = file.map(node, 'config');
  let readOnly = false;
  for (const { key, keyAt, value } of config?.entries ?? []) {
    const section = key === 'mount' || key === 'mount_cached' ? file.map(value, `config.${key}`) : undefined;
    if (section === undefined) context.warn(keyAt, `config.${key} does nothing here`);
    for (const one of section?.entries ?? []) {
      if (one.key === 'read_only') readOnly ||= file.bool(one.value, 'read_only') ?? false;
      else context.warn(one.keyAt, `config.${key}.${one.key} does nothing here`);
    }
  }
  return readOnly;
}
