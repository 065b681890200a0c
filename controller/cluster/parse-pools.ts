import { suggestion } from '../yaml/nearest.ts';
import { parseYaml } from '../yaml/parse-yaml.ts';
import { isNull, quoted, valueOf, type YamlFile } from '../yaml/yaml-file.ts';
import type { YamlEntry, YamlMap, YamlNode } from '../yaml/yaml-node.ts';
import { isHostName, isIdentityPath, isPoolName, isUserName } from './host-name.ts';
import type { SshHost } from './ssh/ssh-host.ts';

export interface Pools {
  /** Hosts of each pool, in the order of the file, which is the order nodes are taken in. */
  readonly pools: ReadonlyMap<string, readonly SshHost[]>;
  /** What the file has that does nothing. */
  readonly warnings: readonly string[];
}

/** How a host is logged in to, where a pool or a host says so. */
export type LoginDefaults = Pick<SshHost, 'user' | 'identityFile' | 'port'>;

const loginKeys = ['user', 'identity_file', 'port', 'password'];
const poolKeys = ['hosts', ...loginKeys];
const hostKeys = ['ip', 'host', ...loginKeys];

/** Reads `POOL: {hosts: [...], user, identity_file, port}`. Throws `invalid-pool` with line and column. */
export function parsePools(file: YamlFile): Pools {
  const reader = new PoolReader(file);
  const root = file.map(parseYaml(file), 'the file');
  const pools = new Map((root?.entries ?? []).map((entry) => [entry.key, reader.pool(entry)]));
  return { pools, warnings: reader.warnings };
}

class PoolReader {
  readonly warnings: string[] = [];
  readonly #file: YamlFile;

  constructor(file: YamlFile) {
    this.#file = file;
  }

  pool({ key, keyAt, value }: YamlEntry): readonly SshHost[] {
    if (!isPoolName(key)) {
      throw this.#file.fail(
        keyAt,
        `${quoted(key)} is no name for a pool`,
        'a name has 1 to 63 letters, digits, dots, dashes and underscores, and begins with a letter or digit',
      );
    }
    const map = this.#file.map(value, `pool ${key}`);
    const hosts = valueOf(map, 'hosts');
    if (map !== undefined) this.#file.checkKeys(map, poolKeys, `pool ${key}`);
    if (map === undefined || hosts === undefined || isNull(hosts)) {
      throw this.#file.fail(keyAt, `pool ${key} has no hosts`, 'list them under hosts:');
    }
    if (hosts.type !== 'list')
      throw this.#file.fail(hosts.at, `hosts of pool ${key} must be a list`, 'write `- HOST` lines');
    const defaults = this.#login(map);
    const seen = new Set<string>();
    return hosts.items.map((item) => {
      const host = this.#host(key, item, defaults);
      const id = `${host.user ?? ''}@${host.host}:${host.port ?? ''}`;
      if (seen.has(id))
        throw this.#file.fail(item.at, `pool ${key} has the host ${host.host} twice`, 'keep one of the two');
      seen.add(id);
      return host;
    });
  }

  #host(pool: string, node: YamlNode, defaults: LoginDefaults): SshHost {
    const map = node.type === 'map' ? node : undefined;
    if (map !== undefined) this.#file.checkKeys(map, hostKeys, `a host of pool ${pool}`);
    const ip = valueOf(map, 'ip');
    const name = map === undefined ? node : (ip ?? valueOf(map, 'host'));
    const text = this.#file.string(name, 'a host');
    if (ip !== undefined && valueOf(map, 'host') !== undefined) {
      throw this.#file.fail(node.at, `a host of pool ${pool} has both ip and host`, 'keep one of the two');
    }
    if (name === undefined || text === undefined) {
      throw this.#file.fail(node.at, `a host of pool ${pool} has no name`, 'give its address as ip: or host:');
    }
    const at = text.lastIndexOf('@');
    const user = at < 0 ? undefined : text.slice(0, at);
    const host = text.slice(at + 1);
    if (!isHostName(host)) {
      throw this.#file.fail(
        name.at,
        `${quoted(host)} is no host name`,
        'give a host name, an address, or an alias of your ssh config',
      );
    }
    if (user !== undefined && !isUserName(user)) throw this.#badUser(name.at, user);
    const own = map === undefined ? {} : this.#login(map);
    return { pool, host, ...defaults, ...(user === undefined ? {} : { user }), ...own };
  }

  #login(map: YamlMap): LoginDefaults {
    const user = this.#file.string(valueOf(map, 'user'), 'user');
    const identityFile = this.#file.string(valueOf(map, 'identity_file'), 'identity_file');
    const port = this.#file.int(valueOf(map, 'port'), 'port', 1, 65_535);
    const password = valueOf(map, 'password');
    if (user !== undefined && !isUserName(user)) throw this.#badUser(valueOf(map, 'user')?.at ?? map.at, user);
    if (identityFile !== undefined && !isIdentityPath(identityFile)) {
      throw this.#file.fail(
        valueOf(map, 'identity_file')?.at ?? map.at,
        `the identity_file ${quoted(identityFile)} is no absolute path`,
        'begin it with / or ~/',
      );
    }
    if (password !== undefined) {
      this.warnings.push(
        `${this.#file.place(password.at)}: a password in this file is not used: ssh asks for it, or set identity_file`,
      );
    }
    return {
      ...(user === undefined ? {} : { user }),
      ...(identityFile === undefined ? {} : { identityFile }),
      ...(port === undefined ? {} : { port }),
    };
  }

  #badUser(at: number, user: string): Error {
    return this.#file.fail(at, `${quoted(user)} is no user name`, 'use letters, digits and . _ - + @ only');
  }
}

/** What to say to somebody who named a pool that there is not. */
export function poolHint(name: string, pools: Pools): string {
  const names = [...pools.pools.keys()];
  return names.length === 0 ? `make it: tow pool add ${name} HOST...` : suggestion(name, names);
}
