import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addToPool, type PoolAddition } from '../../../controller/cluster/add-to-pool.ts';
import { poolPath } from '../../../controller/cluster/pool-path.ts';
import { hostsOfPool, readPools } from '../../../controller/cluster/pools.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tow-pools-'));
  await mkdir(join(home, '.towline'), { mode: 0o700 });
});
afterEach(async () => await rm(home, { recursive: true }));

const write = async (text: string): Promise<void> => await writeFile(poolPath(home), text);
const add = (pool: string, hosts: readonly string[], rest: Partial<PoolAddition> = {}): PoolAddition => ({
  pool,
  hosts,
  user: undefined,
  identityFile: undefined,
  port: undefined,
  ...rest,
});

describe('readPools', () => {
  test('a missing file and an empty one are no pools', async () => {
    expect((await readPools(home)).pools.size).toBe(0);
    await write('# nothing yet\n');
    expect((await readPools(home)).pools.size).toBe(0);
  });

  test("hosts as names, as user@name and as mappings, with the pool's login under their own", async () => {
    await write(`
lab:
  user: ubuntu
  identity_file: ~/.ssh/lab
  port: 2222
  hosts:
    - 10.0.0.1
    - alice@fe80::1%eth0
    - {ip: 10.0.0.3, user: bob, port: 22}
    - host: lab-alias
      identity_file: /keys/other
box:
  hosts: [me.example.org]
`);
    const { pools, warnings } = await readPools(home);
    const login = { user: 'ubuntu', identityFile: '~/.ssh/lab', port: 2222 };
    expect(pools.get('lab')).toEqual([
      { pool: 'lab', host: '10.0.0.1', ...login },
      { pool: 'lab', host: 'fe80::1%eth0', ...login, user: 'alice' },
      { pool: 'lab', host: '10.0.0.3', ...login, user: 'bob', port: 22 },
      { pool: 'lab', host: 'lab-alias', ...login, identityFile: '/keys/other' },
    ]);
    expect(pools.get('box')).toEqual([{ pool: 'box', host: 'me.example.org' }]);
    expect(warnings).toEqual([]);
  });

  test('a password is not used, and not shown', async () => {
    await write('lab:\n  hosts: [a]\n  password: hunter2\n');
    const { warnings } = await readPools(home);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(':3:13: a password in this file is not used');
    expect(warnings[0]).not.toContain('hunter2');
  });

  test.each([
    ['- a\n', '1:1', 'the file must be a mapping, not a list'],
    ['lab: {host: [a]}\n', '1:7', "pool lab has no key 'host'", 'did you mean hosts?'],
    ['lab: {hosts: [a], usr: x}\n', '1:19', "has no key 'usr'", 'did you mean user?'],
    ['lab: {hosts: [{ipp: x}]}\n', '1:16', "a host of pool lab has no key 'ipp'", 'did you mean ip?'],
    ['lab: {}\n', '1:1', 'pool lab has no hosts'],
    ['lab:\n', '1:1', 'pool lab has no hosts'],
    ['lab: {hosts: a}\n', '1:14', 'must be a list'],
    ['lab: {hosts: [{user: x}]}\n', '1:15', 'has no name'],
    ['lab: {hosts: [{ip: x, host: y}]}\n', '1:15', 'both ip and host'],
    ['lab: {hosts: [a, b, a]}\n', '1:21', 'has the host a twice'],
    ['lab: {hosts: [a, [b]]}\n', '1:18', 'a host must be a string, not a list'],
    ['lab: {hosts: [42]}\n', '1:15', 'a host must be a string, not a number'],
    ['lab: {hosts: [-oProxyCommand=x]}\n', '1:15', "'-oProxyCommand=x' is no host name"],
    ['lab: {hosts: ["a b"]}\n', '1:15', "'a b' is no host name"],
    ['lab: {hosts: ["a\\nb"]}\n', '1:15', "'a\\x0ab' is no host name"],
    ['lab: {hosts: ["a;id"]}\n', '1:15', 'is no host name'],
    ['lab: {hosts: ["$(id)"]}\n', '1:15', 'is no host name'],
    ['lab: {hosts: ["-x@a"]}\n', '1:15', "'-x' is no user name"],
    ['lab: {hosts: [a], user: "x y"}\n', '1:25', "'x y' is no user name"],
    ['lab: {hosts: [a], identity_file: key}\n', '1:34', "identity_file 'key' is no absolute path"],
    ['lab: {hosts: [a], port: 0}\n', '1:25', 'port must be a whole number from 1 to 65535, not 0'],
    ['lab: {hosts: [a], port: ssh}\n', '1:25', 'port must be a whole number'],
    ['../x: {hosts: [a]}\n', '1:1', "'../x' is no name for a pool"],
    ['lab: {hosts: [a]\n', '2:1', 'not valid YAML'],
    ['lab: {hosts: [a]}\nlab: {hosts: [b]}\n', '2:1', "the key 'lab' is there twice"],
  ])('%j is refused where it is wrong', async (text, place, message, hint = '') => {
    await write(text);
    const error: unknown = await readPools(home).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'invalid-pool' });
    expect(String(error)).toContain(`ssh_node_pools.yaml:${place}: `);
    expect(String(error)).toContain(message);
    expect(error).toHaveProperty('hint', expect.stringContaining(hint));
  });

  test('what is no file, no UTF-8 or too large is refused', async () => {
    await mkdir(poolPath(home));
    await expect(readPools(home)).rejects.toMatchObject({ code: 'invalid-pool' });
    await rm(poolPath(home), { recursive: true });
    await writeFile(poolPath(home), Buffer.from([0x61, 0xff, 0xfe]));
    await expect(readPools(home)).rejects.toThrow(/is not UTF-8/);
    await write('#'.repeat((1 << 20) + 1));
    await expect(readPools(home)).rejects.toThrow(/too large: 1048577 bytes/);
  });

  test('an unknown pool names the nearest, or how to make it', async () => {
    await write('lab: {hosts: [a]}\noffice: {hosts: [b]}\n');
    const pools = await readPools(home);
    expect(hostsOfPool(pools, 'lab')).toHaveLength(1);
    expect(() => hostsOfPool(pools, 'lba')).toThrow(
      expect.objectContaining({ code: 'unknown-pool', hint: 'did you mean lab?' }),
    );
    const none = { pools: new Map(), warnings: [] };
    expect(() => hostsOfPool(none, 'lab')).toThrow(
      expect.objectContaining({ hint: 'make it: tow pool add lab HOST...' }),
    );
  });
});

describe('addToPool', () => {
  test('makes directory, file and pool; the file is 0600', async () => {
    await rm(join(home, '.towline'), { recursive: true });
    const pools = await addToPool(
      home,
      add('lab', ['a', 'x@b'], { user: undefined, port: 2200, identityFile: 'key' }),
      '/keys',
    );
    expect(pools).toEqual(await readPools(home));
    expect(pools.pools.get('lab')).toEqual([
      { pool: 'lab', host: 'a', port: 2200, identityFile: '/keys/key' },
      { pool: 'lab', host: 'b', user: 'x', port: 2200, identityFile: '/keys/key' },
    ]);
    expect((await stat(poolPath(home))).mode & 0o777).toBe(0o600);
    expect((await stat(join(home, '.towline'))).mode & 0o777).toBe(0o700);
  });

  test('keeps comments, other pools and the login of the pool', async () => {
    await write(
      '# mine\nlab:   # the lab\n  user: ubuntu\n  hosts:\n    - a # rack 1\n    # spare:\n    - b\nbox: {hosts: [c]}\n',
    );
    await chmod(poolPath(home), 0o644);
    const { pools } = await addToPool(home, add('lab', ['d'], { user: 'root' }), '/');
    const text = await readFile(poolPath(home), 'utf8');
    for (const kept of ['# mine', '# the lab', '# rack 1', '# spare:']) expect(text).toContain(kept);
    expect(pools.get('lab')).toEqual([
      { pool: 'lab', host: 'a', user: 'ubuntu' },
      { pool: 'lab', host: 'b', user: 'ubuntu' },
      { pool: 'lab', host: 'd', user: 'root' },
    ]);
    expect(pools.get('box')).toEqual([{ pool: 'box', host: 'c' }]);
    expect((await stat(poolPath(home))).mode & 0o777).toBe(0o600);
  });

  test('a host that is there stays as it is; one with another login is refused', async () => {
    await write('lab: {hosts: [a]}   # as it stands\n');
    await addToPool(home, add('lab', ['a']), '/');
    expect(await readFile(poolPath(home), 'utf8')).toBe('lab: {hosts: [a]}   # as it stands\n');
    await expect(addToPool(home, add('lab', ['a'], { port: 1 }), '/')).rejects.toMatchObject({ code: 'usage' });
    await expect(addToPool(home, add('lab', ['root@a']), '/')).rejects.toMatchObject({ code: 'usage' });
  });

  test('two at once lose nothing, and leave no temporary file', async () => {
    const hosts = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(hosts.map(async (host) => await addToPool(home, add('lab', [host]), '/')));
    const { pools } = await readPools(home);
    expect(
      pools
        .get('lab')
        ?.map(({ host }) => host)
        .sort(),
    ).toEqual(hosts);
    expect(await readdir(join(home, '.towline'))).toEqual(['ssh_node_pools.yaml']);
  });

  test('a file that is a symlink stays one', async () => {
    await writeFile(join(home, 'dotfile.yaml'), 'lab: {hosts: [a]}\n');
    await symlink('../dotfile.yaml', poolPath(home));
    await addToPool(home, add('lab', ['b']), '/');
    expect(await readFile(join(home, 'dotfile.yaml'), 'utf8')).toContain('b');
  });

  test('names that YAML would take for something else are quoted', async () => {
    await addToPool(home, add('123', ['null', '1.5', 'no']), '/');
    expect((await readPools(home)).pools.get('123')?.map(({ host }) => host)).toEqual(['null', '1.5', 'no']);
  });

  test('a damaged file is left alone', async () => {
    await write('lab: [\n');
    await expect(addToPool(home, add('lab', ['a']), '/')).rejects.toMatchObject({ code: 'invalid-pool' });
    expect(await readFile(poolPath(home), 'utf8')).toBe('lab: [\n');
  });

  test.each([
    [add('../x', ['a']), /no name for a pool/],
    [add('lab', []), /no host/],
    [add('lab', ['-oX']), /is no host/],
    [add('lab', ['a b']), /is no host/],
    [add('lab', ['x@a'], { user: 'y' }), /two users/],
    [add('lab', ['a'], { user: '-x' }), /no user name/],
    [add('lab', ['a'], { port: 70_000 }), /no port/],
  ])('%j is a usage error', async (addition, message) => {
    const error: unknown = await addToPool(home, addition, '/').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'usage', message: expect.stringMatching(message) });
    expect((await readPools(home)).pools.size).toBe(0);
  });
});
