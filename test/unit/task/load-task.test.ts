import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TaskOptions } from '../../../controller/api/command.ts';
import { loadTask } from '../../../controller/task/load-task.ts';
import { refuseUnbuilt, type Task } from '../../../controller/task/task.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { taskOptions } from '../../helpers/task-options.ts';

/** `cwd` has a project `proj`, the files `file` and `other/file`; `home` has `.vimrc`. */
let cwd: string;
let home: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tow-task-'));
  home = join(cwd, 'home');
  for (const path of ['home', 'proj/src', 'other', 'dir.yaml']) await mkdir(join(cwd, path), { recursive: true });
  for (const path of ['file', 'other/file', 'home/.vimrc']) await writeFile(join(cwd, path), path);
  await symlink('proj', join(cwd, 'link'));
});
afterAll(async () => await rm(cwd, { recursive: true }));

let count = 0;
/** Loads a task file with this text; errors name it `task.yaml` in a directory of its own. */
async function load(text: string, options: Partial<TaskOptions> = {}, env: Record<string, string> = {}): Promise<Task> {
  count += 1;
  const entry = join(cwd, `${count}.yaml`);
  await writeFile(entry, text);
  return await loadTask(taskOptions({ entry, ...options }), { cwd, env: { HOME: home, ...env } });
}

async function failure(text: string, options: Partial<TaskOptions> = {}): Promise<TowError> {
  const error: unknown = await load(text, options).catch((caught: unknown) => caught);
  if (error instanceof TowError && error.hint !== undefined) return error;
  throw new Error('not refused with a hint', { cause: error });
}

describe('the word on the command line', () => {
  const run = async (entry: string | undefined): Promise<Task> =>
    await loadTask(taskOptions({ entry }), { cwd, env: { HOME: home } });

  test('is a command unless it is one word that ends in .yaml or .yml', async () => {
    await writeFile(join(cwd, 'a.yml'), 'run: from file');
    await writeFile(join(cwd, 'my task.yaml'), 'run: from file');
    expect((await run('a.yml')).run).toBe('from file');
    expect((await run('./a.yml')).run).toBe('from file');
    expect((await run('my task.yaml')).run).toBe('from file');
    for (const command of ['python train.py', 'cat missing.yaml', 'ls']) expect((await run(command)).run).toBe(command);
    expect((await run(undefined)).run).toBeUndefined();
  });

  test.each(['missing.yaml', 'sub/missing.yml', 'dir.yaml', 'file/x.yaml'])('%s is a usage error', async (entry) => {
    await expect(run(entry)).rejects.toMatchObject({ code: 'usage', hint: expect.any(String) });
  });

  test('an inline command has the options of the line', async () => {
    const options = taskOptions({ entry: 'make', workdir: 'proj', env: ['A=1'], secret: ['S=2'] });
    expect(await loadTask(options, { cwd, env: {} })).toMatchObject({
      run: 'make',
      workdir: { type: 'local', path: join(cwd, 'proj') },
      envs: new Map([['A', '1']]),
      secrets: new Map([['S', '2']]),
      fileMounts: [],
      warnings: [],
    });
  });
});

test('every key that means something', async () => {
  const task = await load(`
name: train.v2
workdir: ~/../proj
num_nodes: 2
resources: {infra: SSH/lab}
envs: {SIZE: 7b}
secrets: {TOKEN: t0p}
file_mounts:
  ~/.vimrc: ~/.vimrc
  /tmp/other-\${SIZE}: other
  data: ./other
setup: |
  pip install -r requirements.txt
run: python train.py
sync: {git: false, credentials: node, fetch: head, mirror: true}
`);
  expect(task).toEqual({
    name: 'train.v2',
    workdir: { type: 'local', path: join(cwd, 'proj') },
    numNodes: 2,
    infra: 'ssh/lab',
    envs: new Map([['SIZE', '7b']]),
    secrets: new Map([['TOKEN', 't0p']]),
    fileMounts: [
      { type: 'local', dest: '/tmp/other-7b', level: 0, source: join(cwd, 'other') },
      { type: 'local', dest: '~/.vimrc', level: 0, source: join(home, '.vimrc') },
      { type: 'local', dest: '~/sky_workdir/data', level: 1, source: join(cwd, 'other') },
    ],
    setup: 'pip install -r requirements.txt\n',
    run: 'python train.py',
    sync: { git: false, credentials: 'node', fetch: 'head', mirror: true },
    warnings: [],
  });
});

test.each(['', '# nothing\n', '---\n', '{}', 'envs:\nfile_mounts:\nresources:\nworkdir:\nrun:\n'])(
  '%j is a task of nothing',
  async (text) => {
    expect(await load(text)).toMatchObject({
      name: undefined,
      workdir: undefined,
      run: undefined,
      fileMounts: [],
      warnings: [],
    });
  },
);

describe('keys of the incumbent', () => {
  test('parse, and each that does nothing warns once, with its place', async () => {
    const { warnings, infra } = await load(`
resources:
  infra: aws/us-east-1
  accelerators: {A100: 8}
  cpus: 4+
  use_spot: true
  any_of: [{cloud: aws, zone: a}, {cloud: gcp}]
  job_recovery: {strategy: x}
service: {readiness_probe: /, replicas: 2}
volumes: {/mnt: v}
inputs: {s3://x: 1}
config: {kubernetes: {a: b}}
event_callback: echo
`);
    expect(infra).toBeUndefined();
    const texts = warnings.map((line) => line.replace(/^.*\.yaml:/, ''));
    expect(texts.sort()).toEqual([
      '10:1: volumes does nothing here',
      '11:1: inputs does nothing here',
      '12:1: config does nothing here',
      '13:1: event_callback does nothing here',
      "3:10: resources.infra: 'aws/us-east-1' does nothing here (infra is local, ssh/POOL or join/POOL)",
      '4:3: resources.accelerators does nothing here',
      '5:3: resources.cpus does nothing here',
      '6:3: resources.use_spot does nothing here',
      '7:3: resources.any_of does nothing here',
      '8:3: resources.job_recovery does nothing here',
      '9:1: service does nothing here',
    ]);
  });

  test('anchors and merge keys work as there', async () => {
    const task = await load(`
envs: &base {A: 1, B: 2}
secrets:
  <<: *base
  B: 3
`);
    expect(Object.fromEntries(task.secrets)).toEqual({ A: '1', B: '3' });
  });

  test('local, ssh and join are ours, with a pool where one is needed', async () => {
    for (const infra of ['local', 'ssh/lab', 'join/lab'])
      expect((await load(`resources: {infra: ${infra}}`)).infra).toBe(infra);
  });
});

describe('values', () => {
  test('numbers and truth values of envs are the text the incumbent makes of them', async () => {
    const { envs } = await load('envs: {A: 1, B: true, C: 010, D: 1.50, E: 1e-4, F: "1.50", G: "", H: no, I: 1_000}');
    expect(Object.fromEntries(envs)).toEqual({
      A: '1',
      B: 'True',
      C: '8',
      D: '1.5',
      E: '1e-4',
      F: '1.50',
      G: '',
      H: 'False',
      I: '1000',
    });
  });

  test('the line wins over the file, --env over --env-file, and gives values to those that have none', async () => {
    await writeFile(join(cwd, 'my.env'), 'A=file\nB=file\nexport D="x y"\n');
    const { envs, secrets } = await load(
      'envs: {A: yaml, B: , C: yaml}\nsecrets: {S: }\n',
      { envFile: 'my.env', env: ['A=line', 'E'], secret: ['S'] },
      { E: 'shell', S: 'shell' },
    );
    expect(Object.fromEntries(envs)).toEqual({ A: 'line', B: 'file', C: 'yaml', D: 'x y', E: 'shell' });
    expect(Object.fromEntries(secrets)).toEqual({ S: 'shell' });
  });

  test("secrets that the incumbent's server keeps are a warning, unless the line gives them", async () => {
    const list = await load('secrets: [secrets:A, secrets:workspace.B]', { secret: ['B=1'] });
    expect(list.warnings).toEqual([expect.stringContaining('the secret A is not kept here')]);
    const map = await load('secrets: {C: 1, "secrets:A": }');
    expect(map.warnings).toHaveLength(1);
    expect(Object.fromEntries(map.secrets)).toEqual({ C: '1' });
  });

  test('workdir: a git repository, a symlink, the line in its place, none', async () => {
    const git = await load('envs: {R: v1}\nworkdir: {url: https://example.org/x.git, ref: "$R"}');
    expect(git.workdir).toEqual({ type: 'git', url: 'https://example.org/x.git', ref: 'v1' });
    expect(() => refuseUnbuilt(git)).toThrow(expect.objectContaining({ code: 'not-supported' }));
    expect((await load('workdir: link')).workdir).toEqual({ type: 'local', path: join(cwd, 'link') });
    expect((await load('workdir: missing', { workdir: 'proj/' })).workdir).toEqual({
      type: 'local',
      path: join(cwd, 'proj'),
    });
    expect((await load('workdir: missing', { noWorkdir: true })).workdir).toBeUndefined();
    expect((await load('envs: {P: proj}\nworkdir: ${P}/src')).workdir).toEqual({
      type: 'local',
      path: join(cwd, 'proj/src'),
    });
  });
});

describe('what is refused, and where', () => {
  test.each([
    // [task file, place, message, hint]
    ['workdri: x', '1:1', "a task has no key 'workdri'", 'did you mean workdir?'],
    ['file-mounts: {}', '1:1', "a task has no key 'file-mounts'", 'did you mean file_mounts?'],
    ['a: 1\nzzzzzzzz: 1', '1:1', "no key 'a'", 'there is: name, workdir'],
    ['resources:\n  accelerator: A100', '2:3', "resources has no key 'accelerator'", 'did you mean accelerators?'],
    ['resources: {any_of: [{regoin: x}]}', '1:23', "no key 'regoin'", 'did you mean region?'],
    ['resources: {any_of: {region: x}}', '1:21', 'resources.any_of must be a list', '`- `'],
    ['resources: {infra: shh/lab}', '1:20', "there is no infra 'shh/lab'", 'did you mean ssh?'],
    ['resources: {infra: ssh}', '1:20', "there is no infra 'ssh'", 'ssh/POOL'],
    ['resources: {infra: ssh/}', '1:20', 'there is no infra', 'ssh/POOL'],
    ['sync: {gti: true}', '1:8', "sync has no key 'gti'", 'did you mean git?'],
    ['sync: {git: "no"}', '1:13', 'sync.git must be true or false, not a string', 'without quotes'],
    ['sync: {fetch: haed}', '1:15', "sync.fetch cannot be 'haed'", 'did you mean head?'],
    ['num_nodes: 0', '1:12', 'num_nodes must be a whole number from 1 to 1000, not 0', 'num_nodes: 1'],
    ['num_nodes: "2"', '1:12', 'not a string', 'without quotes'],
    ['num_nodes: 1.5', '1:12', 'not a number', 'without quotes'],
    ['num_nodes: 99999999999999999999', '1:12', 'not 99999999999999999999', 'num_nodes'],
    ['name: a b', '1:7', "'a b' is no name for a task", 'letters and digits'],
    ['name: a---b', '1:7', 'is no name for a task', 'letters and digits'],
    ['name: 12', '1:7', 'name must be a string, not a number', 'quotes'],
    ['run: [a]', '1:6', 'run must be a string, not a list', 'quotes'],
    [`run: ${'x'.repeat((512 << 10) + 1)}`, '1:6', 'run has 524289 bytes, at most 524288 are run', 'into a file'],
    ['run: "a\\0b"', '1:6', 'run contains a NUL character', 'remove'],
    ['envs: [A]', '1:7', 'envs must be a mapping, not a list', 'key: value'],
    ['envs: {1A: x}', '1:8', "'1A' in envs is no name of a variable", 'letters, digits'],
    ['envs: {"A B": x}', '1:8', "'A B' in envs is no name of a variable", 'letters, digits'],
    ['envs: {A: [x]}', '1:11', 'A in envs must be a string, not a list', 'quotes'],
    ['envs: {A: }', '1:8', 'A in envs has no value', '--env A=VALUE, or write A: ""'],
    ['secrets: {A: ~}', '1:11', 'A in secrets has no value', '--secret A=VALUE'],
    ['secrets: [A]', '1:11', "'A' has no value", 'secrets as a mapping'],
    ['workdir: {ref: x}', '1:10', 'workdir has no url', 'url'],
    ['workdir: {url: x, reff: y}', '1:19', "workdir has no key 'reff'", 'did you mean ref?'],
    ['workdir: ""', '1:10', 'workdir names no directory', 'workdir: PATH'],
    ['file_mounts: [a]', '1:14', 'file_mounts must be a mapping, not a list', 'key: value'],
    ['file_mounts: {/a/: file}', '1:15', "the destination '/a/' ends with a slash", 'write /a:'],
    ['file_mounts: {/tmp/a: other/}', '1:23', "the source 'other/' ends with a slash", 'write other'],
    ['file_mounts: {/tmp/a: s3://}', '1:23', "'s3://': the URI names no bucket", 'use s3://bucket'],
    ['file_mounts: {/tmp/a: s3://bucket/}', '1:23', "the source 's3://bucket/' ends with a slash", 'write s3://bucket'],
    ['file_mounts: {s3://b/x: file}', '1:15', "the destination 's3://b/x' is in a bucket", 'a path on the nodes'],
    [
      'workdir: proj\nfile_mounts: {~/sky_workdir: file}',
      '2:15',
      "'~/sky_workdir' is where the workdir goes",
      'below ~/sky_workdir',
    ],
    ['workdir: proj\nfile_mounts: {~/./sky_workdir: file}', '2:15', 'is where the workdir goes', 'below'],
    ['file_mounts: {.: file}', '1:15', "'.' is where the workdir goes", 'below'],
    ['file_mounts: {/tmp/../etc: file}', '1:15', "the destination '/tmp/../etc' contains ..", 'without'],
    ['file_mounts: {../x: file}', '1:15', 'contains ..', 'without'],
    ['file_mounts: {/etc/app: file}', '1:15', "'/etc/app' lies in /etc, which is the system's", '/mnt/data or ~/data'],
    ['file_mounts: {/usr: other}', '1:15', "the destination '/usr' is the system's", '/mnt/data or ~/data'],
    ['file_mounts: {/mnt: other}', '1:15', "'/mnt' is there on every machine for many to use", '/mnt/NAME'],
    ['file_mounts: {~: file}', '1:15', "the destination '~' is not below a directory", '~ or /tmp'],
    ['file_mounts: {"/": file}', '1:15', 'ends with a slash', '/mydir'],
    ['file_mounts: {"": file}', '1:15', 'is not below a directory', '~ or /tmp'],
    ['file_mounts: {~bob/x: file}', '1:15', "is in another user's home", '~/'],
    ['file_mounts: {"/tmp/a\\nb": file}', '1:15', "'/tmp/a\\x0ab' has a name", 'control'],
    [`file_mounts: {/tmp/${'a'.repeat(256)}: file}`, '1:15', 'has a name', '255'],
    ['file_mounts: {~/a: file, ~/./a: file}', '1:26', '~/a is mounted twice, first at ', 'keep one'],
    ['file_mounts: {~/a: [file]}', '1:20', "cannot tell what to mount at '~/a'", 'a path, a URI'],
    ['file_mounts: {~/a: }', '1:20', "cannot tell what to mount at '~/a'", 'a path, a URI'],
    ['file_mounts: {~/a: gs://b}', '1:20', "the bucket's name has 1 characters", '3 to 222'],
    ['file_mounts: {~/a: oci://bucket}', '1:20', 'there are no oci:// buckets here', 's3://bucket'],
    ['file_mounts: {~/a: s3://bucket/../x}', '1:20', 'the prefix of the URI', 'as the bucket has it'],
    ['a: [', '1:5', 'not valid YAML', ''],
    ['\ta: 1', '1:1', 'not valid YAML: tabs are not allowed as indentation', 'indent with spaces'],
    ['run: echo a: b', '1:6', 'not valid YAML: nested mappings', 'in quotes'],
    ['name: a\n---\nname: b', '2:1', 'several YAML documents', "'---'"],
    ['- a', '1:1', 'a task must be a mapping, not a list', 'key: value'],
    ['just text', '1:1', 'a task must be a mapping, not a string', 'key: value'],
    ['run: a\nrun: b', '2:1', "the key 'run' is there twice", 'keep one'],
    ['run: !!python/object x', '1:', 'the YAML tag', 'remove the tag'],
    ['run: *x', '1:6', "the alias '*x' has no anchor before it", '&x'],
    ['envs: &x {A: *x}', '1:14', "the alias '*x' lies inside the anchor it names", '&x'],
    ['? [a]\n: b', '1:3', 'a key is no plain text', 'quotes'],
    [`run: ${'['.repeat(40)}`, '1:', 'nested more than 32 deep', 'flatten'],
    [`run: ${'- '.repeat(40)}`, '1:', 'nested more than 32 deep', 'flatten'],
  ])('%j', async (text, place, message, hint) => {
    const error = await failure(text);
    expect(error.code).toBe('invalid-task');
    expect(error.message).toContain(`.yaml:${place}`);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test.each([
    ['workdir: missing', 'workdir-missing', 'does not exist', 'correct workdir:'],
    ['workdir: file', 'workdir-missing', 'is no directory', 'correct workdir:'],
    [
      'file_mounts: {~/a: missing}',
      'mount-source-missing',
      "the source 'missing' does not exist here",
      'relative to where tow runs',
    ],
    ['file_mounts: {~/a: ""}', 'mount-source-missing', 'does not exist here', 'correct the path'],
    ['file_mounts: {~/a: "${NOPE}/x"}', 'mount-source-missing', "'${NOPE}/x' does not exist", 'NOPE is not among envs'],
    ['file_mounts: {~/a: file/x}', 'mount-source-missing', 'does not exist here', 'correct the path'],
  ])('%j is %s', async (text, code, message, hint) => {
    const error = await failure(text);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test.each<[Partial<TaskOptions>, string, string]>([
    [{ workdir: 'missing' }, 'workdir-missing', 'does not exist'],
    [{ workdir: '' }, 'usage', 'names no directory'],
    [{ workdir: 'proj', noWorkdir: true }, 'usage', 'exclude each other'],
    [{ env: ['A B=1'] }, 'usage', "--env: 'A B' is no name of a variable"],
    [{ env: ['NOPE'] }, 'usage', '--env NOPE: there is no such variable here'],
    [{ secret: ['NOPE'] }, 'usage', '--secret NOPE: there is no such variable here'],
    [{ envFile: 'missing.env' }, 'usage', 'there is no --env-file'],
    [{ envFile: 'proj' }, 'usage', 'is no regular file'],
  ])('the options %j', async (options, code, message) => {
    const error = await failure('run: x', options);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });

  test('a value that is a secret is never shown', async () => {
    for (const text of [
      'secrets: {A: [hunter2]}',
      'secrets: {A: hunter2, A: hunter2}',
      'secrets: {A: hunter2}\nfile_mounts: {~/a: "s3://${A}_"}',
    ]) {
      expect((await failure(text)).message).not.toContain('hunter2');
    }
  });

  test('~ without HOME is an error, never the home of the daemon', async () => {
    const options = taskOptions({ entry: 'x', workdir: '~/proj' });
    await expect(loadTask(options, { cwd, env: {} })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('HOME'),
    });
  });
});

test('mounts inside others come after them and know how deep they lie', async () => {
  const { fileMounts } = await load(
    'file_mounts: {~/a/b/c: file, ~/a-b: file, ~/a: other, ~/sky_workdir/x: file, ~/a/b: other}',
  );
  expect(fileMounts.map(({ dest, level }) => [dest, level])).toEqual([
    ['~/a', 0],
    ['~/a-b', 0],
    ['~/a/b', 1],
    ['~/a/b/c', 2],
    ['~/sky_workdir/x', 1],
  ]);
});
