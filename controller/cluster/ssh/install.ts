import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { pipeline as pipelineEnd } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { errnoOf, TowError } from '../../../protocol/base/errors.ts';
import type { ControlMaster } from './control-master.ts';
import { freshName } from './fresh-name.ts';
import { dropPackedFile, packedFile } from './packed-file.ts';
import {
  type NodeArch,
  type PinnedFile,
  pinnedNatives,
  pinnedRuntimes,
  runtimeGlibc,
  runtimeVersion,
} from './pinned-file.ts';
import { type NodeProbe, probeNode } from './probe.ts';
import { type UploadFile, uploadFiles } from './upload.ts';

export interface InstallOptions {
  readonly host: string;
  /** Directory with the bundles and, for its own architecture, `koffi.node`. */
  readonly dist: string;
  readonly build: string;
  readonly cacheDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Something the user should know that stops nothing. */
  readonly onNote: (text: string) => void;
}

/** What is on a node after `installBuild`. */
export interface Installed {
  readonly home: string;
  /** Absolute path of the Node that runs the agent. */
  readonly node: string;
  /** Files sent lie under `.NAME.TOKEN` until `enrolNode` renames them. */
  readonly token: string;
}

/** What a build is on a node, of any architecture. */
const bundleFiles = ['agent.mjs', 'sdk-aws.mjs', 'sdk-google.mjs'] as const;

const marginBytes = 1 << 20;

/**
 * Puts the build, and a Node if the node has none, on a node, as far as they are not there already. Fails with the codes
 * of `probeNode` and `uploadFiles`, with `no-space` or `no-inodes` before anything is sent where that can be told.
 */
export async function installBuild(
  master: ControlMaster,
  options: InstallOptions,
  signal: AbortSignal,
): Promise<Installed> {
  const { host, build, cacheDir } = options;
  const probe = await probeNode(master, host, { build, runtimeVersion }, signal);
  const token = freshName();
  const files: UploadFile[] = [];
  for (const name of bundleFiles) {
    const file = await plainFile(name, join(options.dist, name));
    if (probe.digests.get(name) !== file.sha256) files.push(file);
  }
  const pinnedNative = pinnedNatives[probe.arch];
  if (probe.digests.get('koffi.node') !== pinnedNative.sha256) {
    files.push(...(await nativeFiles(pinnedNative, options, signal)));
  }
  const runtime = probe.node === undefined ? await runtimeFile(probe, options, signal) : undefined;
  requireRoom(host, probe, runtime === undefined ? files : [...files, runtime]);
  const runtimeDir = `.towline/agent/node/${runtimeVersion}/bin`;
  try {
    await Promise.all([
      uploadFiles(master, host, { dir: `.towline/agent/builds/${build}`, token }, files, signal),
      ...(runtime === undefined ? [] : [uploadFiles(master, host, { dir: runtimeDir, token }, [runtime], signal)]),
    ]);
  } catch (error) {
    // A damaged cache shows as bytes that do not arrive as they should: the next try fetches them anew.
    if (error instanceof TowError && error.code === 'chunk-mismatch') await dropCached(probe.arch, cacheDir);
    throw error;
  }
  return { home: probe.home, node: probe.node ?? `${probe.home}/${runtimeDir}/node`, token };
}

async function dropCached(arch: NodeArch, cacheDir: string): Promise<void> {
  await dropPackedFile(pinnedNatives[arch], cacheDir);
  await dropPackedFile(pinnedRuntimes[arch], cacheDir);
}

/** Without the native file an agent works, less exactly: that npm is out of reach is no reason to stop. */
async function nativeFiles(pinned: PinnedFile, options: InstallOptions, signal: AbortSignal): Promise<UploadFile[]> {
  const own = join(options.dist, 'koffi.node');
  try {
    const file = await plainFile('koffi.node', own);
    if (file.sha256 === pinned.sha256) return [file];
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  try {
    const path = await packedFile(pinned, options.cacheDir, options.env, signal);
    return [{ ...pinned, name: 'koffi.node', mode: '600', open: () => createReadStream(path) }];
  } catch (error) {
    if (signal.aborted || !(error instanceof TowError)) throw error;
    options.onNote(
      `${options.host}: no native file for it (${error.message}): file times there are exact to the µs only`,
    );
    return [];
  }
}

async function runtimeFile(probe: NodeProbe, options: InstallOptions, signal: AbortSignal): Promise<UploadFile> {
  const [major, minor] = probe.glibc;
  if (major < runtimeGlibc[0] || (major === runtimeGlibc[0] && minor < runtimeGlibc[1])) {
    throw new TowError(
      'node-unsupported',
      `${options.host}: no Node 20.19 or newer there, and its glibc ${major}.${minor} is too old for the one that would be sent (${runtimeGlibc.join('.')})`,
      { hint: 'install Node 20.19 or newer on it' },
    );
  }
  const pinned = pinnedRuntimes[probe.arch];
  options.onNote(`${options.host}: no Node 20.19 or newer there: sending Node ${runtimeVersion}`);
  const path = await packedFile(pinned, options.cacheDir, options.env, signal);
  return { ...pinned, name: 'node', mode: '700', open: () => createReadStream(path) };
}

function requireRoom(host: string, probe: NodeProbe, files: readonly UploadFile[]): void {
  if (files.length === 0) return;
  const bytes = files.reduce((sum, file) => sum + file.bytes, marginBytes);
  if (probe.freeBytes !== undefined && probe.freeBytes < bytes) {
    throw new TowError('no-space', `${host}: ${probe.freeBytes} bytes are free in ${probe.home}, ${bytes} are needed`, {
      hint: 'make room in the home there',
    });
  }
  // The files, their temporary names, directories on the way, state and sockets.
  const inodes = 16;
  if (probe.freeInodes !== undefined && probe.freeInodes < inodes) {
    throw new TowError(
      'no-inodes',
      `${host}: ${probe.freeInodes} inodes are free in ${probe.home}, ${inodes} are needed`,
      {
        hint: 'remove files from the home there',
      },
    );
  }
}

async function plainFile(name: string, path: string): Promise<UploadFile> {
  const hash = createHash('sha256');
  await pipelineEnd(createReadStream(path), hash);
  const open = (): Readable => {
    const gzip = createGzip();
    // An error of the file destroys the gzip with it, which is where the reader sees it.
    pipeline(createReadStream(path), gzip, () => undefined);
    return gzip;
  };
  return { name, sha256: hash.digest('hex'), bytes: (await stat(path)).size, mode: '600', open };
}
