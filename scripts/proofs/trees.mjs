// Real trees for proofs of file mounts, and comparing them by programs that are not ours: find and sha256sum.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onHost, sh } from './hosts.mjs';

const tarball = '/usr/src/linux-source-6.1.tar.xz';

/** Parts of the Linux source. */
export function linuxParts(at, ...parts) {
  if (!existsSync(tarball))
    sh('apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq linux-source-6.1 >/dev/null');
  fresh(at);
  sh(`tar -xf ${tarball} -C ${at} --strip-components=1 ${parts.map((part) => `linux-source-6.1/${part}`).join(' ')}`);
}

/** A version of npm's `typescript`; its files have one time for all versions. */
export function typescriptPackage(at, version, cache) {
  const name = `typescript-${version}.tgz`;
  if (!existsSync(join(cache, name))) sh(`cd ${cache} && npm pack --silent typescript@${version} >/dev/null`);
  fresh(at);
  sh(`tar -xf ${join(cache, name)} -C ${at} --strip-components=1`);
}

function fresh(at) {
  rmSync(at, { recursive: true, force: true });
  mkdirSync(at, { recursive: true });
}

const list = String.raw`find . -type f -printf '%P\t%m\t%T@\n' | LC_ALL=C sort; find . -type l -printf '%P -> %l\n' | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum`;

/** Bytes, modes and times of every file, and texts of links, as lines. */
export function linesOf(at) {
  return sh(`cd ${at} && { ${list}; }`);
}

export function linesOnHost(k, path) {
  return onHost(k, `cd ${path} && { ${list}; }`);
}

/** SHA-256 by path, of `linesOf`. */
export function digestsOf(lines) {
  return new Map(
    lines.split('\n').flatMap((line) => {
      const match = /^([0-9a-f]{64}) {2}\.\/(.*)$/.exec(line);
      return match === null ? [] : [[match[2], match[1]]];
    }),
  );
}

/** Paths whose bytes are others, or that only the second has. */
export function changedPaths(before, after) {
  return [...after].filter(([path, digest]) => before.get(path) !== digest).map(([path]) => path);
}

export function sizeOf(at, paths) {
  return paths.reduce((total, path) => total + statSync(join(at, path)).size, 0);
}

/** Another content of a file; the same size and time for every second one. */
export function editFile(path, salt) {
  const bytes = readFileSync(path);
  const { atime, mtime } = statSync(path);
  const note = Buffer.from(`/* ${salt} */`);
  if (salt % 2 === 0 && bytes.length > note.length) {
    note.copy(bytes);
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
  } else writeFileSync(path, Buffer.concat([bytes, note]));
}
