import { isSharedDirectory } from '../../protocol/base/system-directory.ts';
import { isNull, quoted } from '../yaml/yaml-file.ts';
import type { YamlEntry, YamlMap } from '../yaml/yaml-node.ts';
import { isUri, parseBucketUri } from './bucket-uri.ts';
import { existingPath, type MountContext } from './mount-context.ts';
import { parseDestination, withLevels } from './mount-destination.ts';
import { parseStorage } from './storage.ts';
import { substitute } from './substitute.ts';
import type { FileMount, MountSource } from './task.ts';

/** The mounts of `file_mounts`, each checked on its own and against the others. Rejects with `invalid-task`, `mount-source-missing`. */
export async function parseFileMounts(map: YamlMap, context: MountContext): Promise<readonly FileMount[]> {
  const { file, variables, hasWorkdir } = context;
  const seen = new Map<string, number>();
  const mounts: ({ readonly dest: string } & MountSource)[] = [];
  for (const entry of map.entries) {
    const dest = parseDestination(substitute(entry.key, variables), entry.keyAt, file, hasWorkdir);
    const earlier = seen.get(dest);
    if (earlier !== undefined) {
      throw file.fail(entry.keyAt, `${dest} is mounted twice, first at ${file.place(earlier)}`, 'keep one of the two');
    }
    seen.set(dest, entry.keyAt);
    const mount = await parseMount(entry, dest, context);
    if (mount.type === 'local' && isSharedDirectory(dest)) {
      throw file.fail(
        entry.keyAt,
        `the destination ${quoted(entry.key)} is there on every machine for many to use`,
        `name a directory in it: ${dest}/NAME`,
      );
    }
    mounts.push({ dest, ...mount });
  }
  return withLevels(mounts);
}

async function parseMount({ key, value }: YamlEntry, dest: string, context: MountContext): Promise<MountSource> {
  const { file, variables } = context;
  if (value.type === 'map') return { type: 'storage', ...(await parseStorage(value, dest, context)) };
  if (value.type === 'list' || isNull(value)) {
    throw file.fail(
      value.at,
      `cannot tell what to mount at ${quoted(key)}`,
      'give a path, a URI, or {name, source, store, mode}',
    );
  }
  const source = substitute(value.text, variables);
  const uri = isUri(source) ? parseBucketUri(source) : undefined;
  if (uri !== undefined && 'message' in uri)
    throw file.fail(value.at, `${quoted(value.text)}: ${uri.message}`, uri.hint);
  if (/[^/]\/+$/.test(source) || (uri !== undefined && source.endsWith('/'))) {
    throw file.fail(
      value.at,
      `the source ${quoted(value.text)} ends with a slash`,
      `write ${value.text.replace(/\/+$/, '')}`,
    );
  }
  if (uri === undefined) return { type: 'local', source: await existingPath(value, context) };
  return { type: 'bucket', uri };
}
