import { TowError } from '../../protocol/base/errors.ts';
import { readTextFile } from '../yaml/read-text-file.ts';
import { quoted, YamlFile } from '../yaml/yaml-file.ts';
import { type Pools, parsePools, poolHint } from './parse-pools.ts';
import { poolPath } from './pool-path.ts';
import type { SshHost } from './ssh/ssh-host.ts';

/** The pools of the user with this home; none when the file is missing. Rejects with `invalid-pool`, `io`, `permission-denied`. */
export async function readPools(home: string): Promise<Pools> {
  const path = poolPath(home);
  return parsePools(new YamlFile(path, (await readTextFile(path, 'invalid-pool')) ?? '', 'invalid-pool'));
}

/** Hosts of a pool. Throws `unknown-pool`, naming the nearest there is. */
export function hostsOfPool(pools: Pools, name: string): readonly SshHost[] {
  const hosts = pools.pools.get(name);
  if (hosts !== undefined) return hosts;
  throw new TowError('unknown-pool', `there is no pool ${quoted(name)}`, { hint: poolHint(name, pools) });
}
