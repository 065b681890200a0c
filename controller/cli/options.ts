/** The command line as a table: every command, its words and its options. Help, parsing and suggestions come from it. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value; a flag has none. */
  readonly value?: string;
  readonly multiple?: boolean;
  readonly help: string;
}

export interface CommandSpec {
  /** Words that select it, `pool add` has two. */
  readonly words: readonly string[];
  /** What follows: for people. */
  readonly usage: string;
  readonly help: string;
  readonly options: readonly OptionSpec[];
  /** How many plain words it takes. */
  readonly operands: { readonly min: number; readonly max: number };
}

const workdir: OptionSpec = {
  name: 'workdir',
  value: 'DIR',
  help: 'sync this directory to ~/sky_workdir on the nodes',
};
const env: readonly OptionSpec[] = [
  { name: 'env', value: 'K=V', multiple: true, help: 'set a variable (K alone: take it from here)' },
  { name: 'env-file', value: 'FILE', help: 'set variables from a file of NAME=value lines' },
  { name: 'secret', value: 'K=V', multiple: true, help: 'like --env, but kept off the disk here and redacted' },
];
const safety: readonly OptionSpec[] = [
  { name: 'verify', help: 'read every file again instead of trusting size, times and inode' },
  { name: 'allow-partial', help: 'go on without paths that cannot be read' },
  { name: 'allow-delete', help: 'go on although the source looks emptied or is another one' },
];
const detach: OptionSpec = { name: 'detach', short: 'd', help: 'submit the job and return' };
const dryrun: OptionSpec = { name: 'dryrun', help: 'show what would be done' };

/** Options that every command takes. */
export const commonOptions: readonly OptionSpec[] = [
  { name: 'json', help: 'print JSON Lines, errors included; the last line is a summary or an error' },
  { name: 'progress', value: 'MODE', help: 'auto, tty, plain, json or none (TOWLINE_PROGRESS)' },
  { name: 'help', short: 'h', help: 'show this' },
];

export const commandSpecs: readonly CommandSpec[] = [
  {
    words: ['launch'],
    usage: "-c NAME [options] [task.yaml | 'cmd']",
    help: 'make or reuse a cluster, sync workdir and file mounts to all nodes, run setup, then the job',
    operands: { min: 0, max: 1 },
    options: [
      { name: 'cluster', short: 'c', value: 'NAME', help: 'the cluster (required)' },
      { name: 'infra', value: 'INFRA', help: 'local, or ssh/POOL' },
      { name: 'num-nodes', value: 'N', help: 'how many nodes' },
      workdir,
      ...env,
      detach,
      { name: 'no-setup', help: 'leave setup out' },
      dryrun,
      { name: 'take-over', help: 'take nodes from another controller' },
      { name: 'via', value: 'URI', help: 'publish to s3://bucket/prefix once; the nodes fetch from there' },
      ...safety,
    ],
  },
  {
    words: ['exec'],
    usage: "NAME [options] task.yaml | 'cmd'",
    help: 'sync the workdir as it is now, then run a job; no setup, no file mounts unless asked',
    operands: { min: 1, max: 2 },
    options: [
      workdir,
      { name: 'no-workdir', help: 'sync nothing' },
      { name: 'file-mounts', help: 'sync file mounts too' },
      ...env,
      detach,
      dryrun,
      ...safety,
    ],
  },
  {
    words: ['push'],
    usage: 'NAME [task.yaml] [options]',
    help: 'sync without a job',
    operands: { min: 1, max: 2 },
    options: [workdir, { name: 'file-mounts', help: 'sync file mounts too' }, ...env, dryrun, ...safety],
  },
  {
    words: ['logs'],
    usage: 'NAME [JOB] [options]',
    help: "show a job's output, the last job's by default",
    operands: { min: 1, max: 2 },
    options: [
      { name: 'status', help: "no output: wait for the job's end and make its state the exit code" },
      { name: 'no-follow', help: 'only what is there now' },
      { name: 'tail', value: 'N', help: 'only the last N lines' },
    ],
  },
  {
    words: ['cancel'],
    usage: 'NAME JOB… | --all',
    help: 'end jobs',
    operands: { min: 1, max: 100 },
    options: [{ name: 'all', help: 'all that run or wait' }],
  },
  { words: ['status'], usage: '', help: 'list clusters', operands: { min: 0, max: 0 }, options: [] },
  {
    words: ['down'],
    usage: 'NAME [--purge]',
    help: 'stop the agents and forget the cluster',
    operands: { min: 1, max: 1 },
    options: [{ name: 'purge', help: 'also remove what Towline keeps on ssh nodes, kept versions too' }],
  },
  { words: ['pool', 'ls'], usage: '', help: 'list pools of hosts', operands: { min: 0, max: 0 }, options: [] },
  {
    words: ['pool', 'add'],
    usage: 'NAME HOST…',
    help: 'add hosts to a pool',
    operands: { min: 2, max: 1000 },
    options: [
      { name: 'user', value: 'USER', help: 'account on the hosts' },
      { name: 'identity-file', value: 'FILE', help: 'ssh key' },
      { name: 'port', value: 'N', help: 'ssh port' },
    ],
  },
  {
    words: ['conflicts', 'ls'],
    usage: 'NAME',
    help: "list nodes' versions that were kept",
    operands: { min: 1, max: 1 },
    options: [],
  },
  {
    words: ['conflicts', 'restore'],
    usage: 'NAME ID…',
    help: 'put kept versions back',
    operands: { min: 2, max: 1000 },
    options: [],
  },
  {
    words: ['conflicts', 'prune'],
    usage: 'NAME ID… | --all',
    help: 'delete kept versions',
    operands: { min: 1, max: 1000 },
    options: [{ name: 'all', help: 'all of them' }],
  },
  {
    words: ['storage', 'ls'],
    usage: '',
    help: 'list the storages that tow made',
    operands: { min: 0, max: 0 },
    options: [],
  },
  {
    words: ['storage', 'delete'],
    usage: 'NAME… | --all',
    help: 'delete storages that tow made, with all that is in their buckets',
    operands: { min: 0, max: 1000 },
    options: [{ name: 'all', help: 'all that tow storage ls shows' }],
  },
  {
    words: ['storage', 'gc'],
    usage: 'URI [--days N]',
    help: 'remove what launch --via published there and no snapshot of the last N days needs',
    operands: { min: 1, max: 1 },
    options: [{ name: 'days', value: 'N', help: 'how long a snapshot is kept that nobody launches (30)' }],
  },
  {
    words: ['ls-files'],
    usage: '[DIR] [--explain PATH]',
    help: 'list what would be sent',
    operands: { min: 0, max: 1 },
    options: [{ name: 'explain', value: 'PATH', help: 'say which line of which file ignores PATH' }],
  },
  {
    words: ['check'],
    usage: '[NAME]',
    help: 'check each hop and say how to mend it',
    operands: { min: 0, max: 1 },
    options: [],
  },
  {
    words: ['stop'],
    usage: '',
    help: 'end the controller; nodes and their jobs go on',
    operands: { min: 0, max: 0 },
    options: [],
  },
];

/** Commands of the plan that this build does not have yet. */
export const plannedCommands: readonly string[] = ['watch', 'get', 'put', 'queue', 'ssh', 'proxy', 'bugreport'];
