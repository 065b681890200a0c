import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import * as v from 'valibot';
import { errnoOf, TowError, toTowError } from '../protocol/base/errors.ts';
import { identitySchema, type NodeIdentity } from '../protocol/wire/enrol.ts';
import type { AgentPaths } from './paths.ts';

/** The node's identity; undefined if it has none. Fails with `io` on one that cannot be read or understood. */
export function readIdentity(paths: AgentPaths): NodeIdentity | undefined {
  let text: string;
  try {
    text = readFileSync(paths.identity, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toTowError(error, `reading ${paths.identity}`);
  }
  try {
    return v.parse(identitySchema, JSON.parse(text));
  } catch (error) {
    throw new TowError('io', `${paths.identity} is not an identity this build understands`, { cause: error });
  }
}

/**
 * Writes the identity, durably, 0600. With `replace: false` it fails to overwrite one that is there and returns false,
 * so that of two controllers that enrol an account at once only one succeeds.
 */
export function writeIdentity(paths: AgentPaths, identity: NodeIdentity, replace: boolean): boolean {
  mkdirSync(paths.base, { recursive: true, mode: 0o700 });
  const temp = `${paths.identity}.${randomBytes(6).toString('hex')}`;
  const fd = openSync(temp, 'wx', 0o600);
  try {
    writeSync(fd, `${JSON.stringify(identity)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (replace) {
    renameSync(temp, paths.identity);
  } else {
    try {
      linkSync(temp, paths.identity);
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    } finally {
      unlinkSync(temp);
    }
  }
  syncDirectory(paths.base);
  return true;
}

/** Removes the identity, which revokes the node's right to dial; true if there was one. */
export function removeIdentity(paths: AgentPaths): boolean {
  try {
    unlinkSync(paths.identity);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
  syncDirectory(paths.base);
  return true;
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
