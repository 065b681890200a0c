import { readFileSync, renameSync } from 'node:fs';
import { mkdir, open, realpath, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Document, isSeq, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { errnoOf, TowError, toTowError } from '../../protocol/base/errors.ts';
import { parseYamlDocument } from '../yaml/parse-yaml.ts';
import { readTextFile } from '../yaml/read-text-file.ts';
import { quoted, YamlFile } from '../yaml/yaml-file.ts';
import { scalarValue } from '../yaml/yaml-scalar.ts';
import { isHostName, isIdentityPath, isPoolName, isUserName } from './host-name.ts';
import { type LoginDefaults, type Pools, parsePools } from './parse-pools.ts';
import { poolPath } from './pool-path.ts';

export interface PoolAddition {
  readonly pool: string;
  /** `HOST` or `USER@HOST`. */
  readonly hosts: readonly string[];
  readonly user: string | undefined;
  /** Relative to `cwd`, absolute, or below `~`. */
  readonly identityFile: string | undefined;
  readonly port: number | undefined;
}

/** Times the file is read again because somebody else wrote it meanwhile. */
const maxAttempts = 10;

/**
 * Adds hosts to a pool, making pool and file where they are missing, and keeps the comments of the file. A host that is
 * there already with the same login stays as it is. Durable when it resolves; the file is then 0600. Rejects with `usage`
 * for what cannot be a pool or a host, `invalid-pool` when the file is damaged already: it is then left alone.
 */
export async function addToPool(home: string, addition: PoolAddition, cwd: string): Promise<Pools> {
  const login = checkAddition(addition, cwd);
  const path = await realpath(poolPath(home)).catch(() => poolPath(home));
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    const before = await readTextFile(path, 'invalid-pool');
    const file = new YamlFile(path, before ?? '', 'invalid-pool');
    const text = edited(file, addition, login);
    const pools = parsePools(new YamlFile(path, text, 'invalid-pool'));
    if (text === before || (await replaceIfSame(path, before, text))) return pools;
  }
  throw new TowError('io', `${path} changed ${maxAttempts} times while it was edited`, {
    hint: 'try again',
    retryable: true,
  });
}

function checkAddition({ pool, hosts, user, identityFile, port }: PoolAddition, cwd: string): LoginDefaults {
  if (!isPoolName(pool)) {
    throw usage(
      `${quoted(pool)} is no name for a pool`,
      'a name has 1 to 63 letters, digits, dots, dashes and underscores',
    );
  }
  if (hosts.length === 0) throw usage('no host to add', 'tow pool add NAME HOST...');
  for (const text of hosts) {
    const at = text.lastIndexOf('@');
    if (!isHostName(text.slice(at + 1)) || (at >= 0 && !isUserName(text.slice(0, at)))) {
      throw usage(
        `${quoted(text)} is no host`,
        'give HOST or USER@HOST: a name, an address, or an alias of your ssh config',
      );
    }
    if (at >= 0 && user !== undefined && user !== text.slice(0, at)) {
      throw usage(`${quoted(text)} and --user ${user} name two users`, 'give one of the two');
    }
  }
  if (user !== undefined && !isUserName(user))
    throw usage(`${quoted(user)} is no user name`, 'name an account of the host');
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw usage(`${port} is no port`, 'give a number from 1 to 65535');
  }
  const identity =
    identityFile === undefined || identityFile.startsWith('~/') || isAbsolute(identityFile)
      ? identityFile
      : resolve(cwd, identityFile);
  if (identity !== undefined && !isIdentityPath(identity))
    throw usage(`${quoted(identity)} is no path of a key`, 'name a file');
  return {
    ...(user === undefined ? {} : { user }),
    ...(identity === undefined ? {} : { identityFile: identity }),
    ...(port === undefined ? {} : { port }),
  };
}

function usage(message: string, hint: string): TowError {
  return new TowError('usage', message, { hint });
}

/** The file's text with the hosts in it. */
function edited(file: YamlFile, { pool, hosts }: PoolAddition, login: LoginDefaults): string {
  const present = parsePools(file).pools.get(pool);
  const document = parseYamlDocument(file);
  if (present === undefined) {
    addPool(document, pool, [...new Set(hosts)], login);
    return print(document);
  }
  const list = document.getIn([pool, 'hosts']);
  if (!isSeq(list))
    throw file.fail(0, `hosts of pool ${pool} cannot be edited`, 'write the list in place of the alias');
  const places = new Map(present.map((host) => [host.host, host]));
  let added = 0;
  for (const text of new Set(hosts)) {
    const at = text.lastIndexOf('@');
    const wanted = { ...(at < 0 ? {} : { user: text.slice(0, at) }), ...login };
    const there = places.get(text.slice(at + 1));
    if (there === undefined) {
      list.add(hostNode(text, wanted, login));
      added += 1;
    } else if (differs(there, wanted)) {
      throw usage(`pool ${pool} has the host ${there.host} already, with another login`, `change it in ${file.name}`);
    }
  }
  return added === 0 ? file.text : print(document);
}

function addPool(document: Document.Parsed, pool: string, hosts: readonly string[], login: LoginDefaults): void {
  const list = new YAMLSeq();
  for (const host of hosts) list.add(scalar(host));
  const map = new YAMLMap();
  map.set(scalar('hosts'), list);
  setLogin(map, login);
  document.set(scalar(pool), map);
}

/** Whether the host is logged in to otherwise than `wanted` says. */
function differs(there: LoginDefaults, { user, identityFile, port }: LoginDefaults): boolean {
  return (
    (user !== undefined && user !== there.user) ||
    (identityFile !== undefined && identityFile !== there.identityFile) ||
    (port !== undefined && port !== there.port)
  );
}

function hostNode(text: string, wanted: LoginDefaults, login: LoginDefaults): Scalar<string> | YAMLMap {
  if (Object.keys(login).length === 0) return scalar(text);
  const map = new YAMLMap();
  map.set(scalar('ip'), scalar(text.slice(text.lastIndexOf('@') + 1)));
  setLogin(map, wanted);
  return map;
}

function setLogin(map: YAMLMap, { user, identityFile, port }: LoginDefaults): void {
  if (user !== undefined) map.set(scalar('user'), scalar(user));
  if (identityFile !== undefined) map.set(scalar('identity_file'), scalar(identityFile));
  if (port !== undefined) map.set(scalar('port'), new Scalar(String(port)));
}

/** Quoted where the text would stand for a number or a truth value. */
function scalar(text: string): Scalar<string> {
  const node = new Scalar(text);
  if (scalarValue(text).type !== 'text') node.type = 'QUOTE_DOUBLE';
  return node;
}

function print(document: Document.Parsed): string {
  return document.toString({ lineWidth: 0 });
}

/** Replaces the file durably unless it has another content than `before` by now. */
async function replaceIfSame(path: string, before: string | undefined, text: string): Promise<boolean> {
  const directory = dirname(path);
  const temp = join(directory, `.ssh_node_pools.${process.pid}.${Math.random().toString(36).slice(2)}`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      {
        await using file = await open(temp, 'wx', 0o600);
        await file.writeFile(text);
        await file.sync();
      }
      // No await from here to the rename: two commands of one daemon never lose each other's hosts.
      if (currentText(path) !== before) return false;
      renameSync(temp, path);
    } finally {
      await rm(temp, { force: true });
    }
    await using parent = await open(directory, 'r');
    await parent.sync();
    return true;
  } catch (error) {
    throw toTowError(error, `cannot write ${path}`);
  }
}

function currentText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
