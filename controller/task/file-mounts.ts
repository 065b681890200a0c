import { existsSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { checkKeys, entryOf, failAt, type Position, textOf, type YamlMap, type YamlValue } from './yaml-file.ts';
import type { FileMount } from './task.ts';
import { substitute } from './variables.ts';

const schemes = ['s3', 'gs', 'r2', 'cos'] as const;
const uriPattern = /^([a-z][a-z0-9+.-]*):\/\//i;
const storageKeys = ['name', 'source', 'store', 'mode', 'persistent', 'config', 'credentials', 'sync'];
const modes = ['MOUNT', 'COPY', 'MOUNT_CACHED'];

export interface MountContext {
  readonly cwd: string;
  readonly home: string;
  readonly variables: ReadonlyMap<string, string>;
  readonly hasWorkdir: boolean;
}

/** The mounts of `file_mounts`, each checked on its own and against the others. */
export function parseFileMounts(map: YamlMap, context: MountContext): FileMount[] {
  const seen = new Map<string, Position>();
  return map.entries.map(({ key, at, value }) => {
    const dest = parseDestination(substitute(key, context.variables), at, context);
    const earlier = seen.get(dest);
    if (earlier !== undefined) failAt(at, 'invalid-task', `${dest} is mounted twice, first at line ${earlier.line}`);
    seen.set(dest, at);
    return parseMount(dest, value, context);
  });
}

function parseDestination(dest: string, at: Position, { hasWorkdir }: MountContext): string {
  if (uriPattern.test(dest)) failAt(at, 'invalid-task', `the destination ${dest} is a cloud URI; a destination is a path on the nodes`, 'write it as DESTINATION: SOURCE');
  if (dest.length > 1 && dest.endsWith('/')) failAt(at, 'invalid-task', `the destination ${dest} ends with a slash`, `write ${dest.replace(/\/+$/, '')}: the contents of a directory go into it`);
  const absolute = dest.startsWith('/') || dest === '~' || dest.startsWith('~/') ? dest : `~/sky_workdir/${dest}`;
  const path = posix.normalize(absolute);
  if (path.split('/').includes('..')) failAt(at, 'invalid-task', `the destination ${dest} leads out of where it begins`);
  if (hasWorkdir && path === '~/sky_workdir') {
    failAt(at, 'invalid-task', '~/sky_workdir is where the workdir goes, so no file mount can go there', 'mount into a directory below it, or leave the workdir out');
  }
  return path;
}

function parseMount(dest: string, value: YamlValue, context: MountContext): FileMount {
  if (value.type === 'map') return parseStorage(dest, value, context);
  if (value.type !== 'scalar' || typeof value.value !== 'string') failAt(value.at, 'invalid-task', `cannot make sense of what ${dest} is mounted from: give a path, a URI, or a storage {name, source, store, mode}`);
  const source = substitute(value.value, context.variables);
  if (source.endsWith('/') && source !== '/') failAt(value.at, 'invalid-task', `the source ${source} ends with a slash`, `write ${source.replace(/\/+$/, '')}`);
  const scheme = uriPattern.exec(source)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    if (!isScheme(scheme)) failAt(value.at, 'invalid-task', `${source}: there is no store ${scheme}://`, `stores: ${schemes.map((one) => `${one}://`).join(', ')}`);
    return { type: 'bucket', dest, uri: source };
  }
  const path = localPath(source, context);
  if (!existsSync(path)) failAt(value.at, 'mount-source-missing', `the source ${source} of ${dest} does not exist here (${path})`, 'check that it exists, and correct the path');
  return { type: 'local', dest, source: path };
}

function isScheme(scheme: string): boolean {
  return schemes.some((known) => known === scheme);
}

function parseStorage(dest: string, map: YamlMap, context: MountContext): FileMount {
  checkKeys(map, storageKeys, `the storage at ${dest}`, 'invalid-task');
  const text = (key: string): string | undefined => {
    const value = entryOf(map, key);
    return value === undefined ? undefined : substitute(textOf(value, key, 'invalid-task'), context.variables);
  };
  const source = entryOf(map, 'source');
  const sources = source === undefined ? [] : source.type === 'list' ? source.items.map((item) => textOf(item, 'source', 'invalid-task')) : [textOf(source, 'source', 'invalid-task')];
  const name = text('name');
  if (name === undefined && sources.length === 0) failAt(map.at, 'invalid-task', `the storage at ${dest} needs a name or a source`);
  const mode = (text('mode') ?? 'MOUNT').toUpperCase();
  if (!modes.includes(mode)) failAt(map.at, 'invalid-task', `mode ${mode} of ${dest} is none of ${modes.join(', ')}`);
  const persistent = text('persistent') ?? 'true';
  return { type: 'storage', dest, name, source: sources.map((one) => substitute(one, context.variables)), store: text('store')?.toLowerCase(), mode, persistent: persistent !== 'false' };
}

/** A local path as the user wrote it, made absolute: `~` is the home, the rest is relative to where tow runs. */
export function localPath(path: string, { cwd, home }: Pick<MountContext, 'cwd' | 'home'>): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? resolve(home, path.slice(2)) : resolve(cwd, path);
}
