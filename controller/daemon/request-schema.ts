import * as v from 'valibot';
import type { ApiInput } from '../api/command.ts';

const text = v.pipe(v.string(), v.maxLength(64 << 10));
const texts = v.pipe(v.array(text), v.maxLength(10_000));
const optional = v.optional(text);
const count = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)));
const task = v.object({
  entry: optional,
  workdir: optional,
  noWorkdir: v.boolean(),
  env: texts,
  envFile: optional,
  secret: texts,
  verify: v.boolean(),
  allowPartial: v.boolean(),
  allowDelete: v.boolean(),
});
const flags = { detach: v.boolean(), dryrun: v.boolean() };

const command = v.variant('command', [
  v.object({
    command: v.literal('launch'),
    cluster: text,
    infra: optional,
    numNodes: count,
    task,
    ...flags,
    noSetup: v.boolean(),
    takeOver: v.boolean(),
    via: optional,
  }),
  v.object({ command: v.literal('exec'), cluster: text, task, fileMounts: v.boolean(), ...flags }),
  v.object({ command: v.literal('push'), cluster: text, task, fileMounts: v.boolean(), dryrun: v.boolean() }),
  v.object({
    command: v.literal('logs'),
    cluster: text,
    job: optional,
    status: v.boolean(),
    follow: v.boolean(),
    tail: v.pipe(v.number(), v.integer(), v.minValue(0)),
  }),
  v.object({ command: v.literal('cancel'), cluster: text, jobs: texts, all: v.boolean() }),
  v.object({ command: v.literal('status') }),
  v.object({ command: v.literal('down'), cluster: text, purge: v.boolean() }),
  v.object({ command: v.literal('pool-ls') }),
  v.object({
    command: v.literal('pool-add'),
    pool: text,
    hosts: texts,
    user: optional,
    identityFile: optional,
    port: count,
  }),
  v.object({ command: v.literal('conflicts-ls'), cluster: text }),
  v.object({ command: v.literal('conflicts-restore'), cluster: text, ids: texts }),
  v.object({ command: v.literal('conflicts-prune'), cluster: text, ids: texts, all: v.boolean() }),
  v.object({ command: v.literal('storage-ls') }),
  v.object({ command: v.literal('storage-delete'), names: texts, all: v.boolean() }),
  v.object({ command: v.literal('ls-files'), directory: optional, explain: optional }),
  v.object({ command: v.literal('check'), cluster: optional }),
  v.object({ command: v.literal('storage-gc'), uri: text, days: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
  v.object({ command: v.literal('stop') }),
]);

const inputSchema = v.variant('type', [
  v.object({
    type: v.literal('request'),
    build: text,
    cwd: text,
    env: v.record(text, text),
    interactive: v.boolean(),
    command,
  }),
  v.object({ type: v.literal('interrupt') }),
  v.object({ type: v.literal('login-done'), code: v.number() }),
]);

/** Checks one line of the CLI: fields that JSON drops when they are undefined come back as such. */
export function parseInput(line: string): ApiInput {
  const input = v.parse(inputSchema, JSON.parse(line));
  if (input.type !== 'request') return input;
  return { ...input, command: withUndefined(input.command) };
}

type Loose = v.InferOutput<typeof command>;
type Strict = Extract<ApiInput, { type: 'request' }>['command'];

/** An absent optional field and one that is undefined mean the same; the API's types name the latter. */
function withUndefined(loose: Loose): Strict {
  switch (loose.command) {
    case 'launch':
      return {
        ...loose,
        infra: loose.infra,
        numNodes: loose.numNodes,
        task: taskOptions(loose.task),
        via: loose.via,
      };
    case 'exec':
    case 'push':
      return { ...loose, task: taskOptions(loose.task) };
    case 'logs':
      return { ...loose, job: loose.job };
    case 'pool-add':
      return { ...loose, user: loose.user, identityFile: loose.identityFile, port: loose.port };
    case 'ls-files':
      return { ...loose, directory: loose.directory, explain: loose.explain };
    case 'check':
      return { ...loose, cluster: loose.cluster };
    case 'cancel':
    case 'status':
    case 'down':
    case 'pool-ls':
    case 'conflicts-ls':
    case 'conflicts-restore':
    case 'conflicts-prune':
    case 'storage-gc':
    case 'storage-ls':
    case 'storage-delete':
    case 'stop':
      return loose;
  }
}

function taskOptions(loose: v.InferOutput<typeof task>) {
  return { ...loose, entry: loose.entry, workdir: loose.workdir, envFile: loose.envFile };
}
