import * as v from 'valibot';
import { TowError } from '../../../protocol/base/errors.ts';
import {
  type EnrolReply,
  type EnrolRequest,
  enrolReplyMarker,
  enrolReplySchema,
} from '../../../protocol/wire/enrol.ts';
import type { ControlMaster } from './control-master.ts';
import type { Installed } from './install.ts';
import { runtimeVersion } from './pinned-file.ts';
import { remoteCommand, runRemote } from './remote-command.ts';
import type { ProcessResult } from './run-process.ts';

const timeoutMs = 45_000;

const place = [
  'cd "$HOME" || exit 1; r=".towline/agent/node/$4/bin"; if [ -f "$r/.node.$3" ]; then mv -f "$r/.node.$3" "$r/node"; fi',
  'cd ".towline/agent/builds/$2" || exit 1',
  'for f in koffi.node sdk-aws.mjs sdk-google.mjs agent.mjs; do if [ -f ".$f.$3" ]; then mv -f ".$f.$3" "$f"; fi; done',
  '"$1" "$PWD/agent.mjs" enrol && "$1" "$PWD/agent.mjs" start',
].join('; ');

/**
 * Puts what `installBuild` sent in place, gives the node its identity and starts its agent. Fails with `node-taken` or
 * `node-in-use` when the account is another's, with `agent-unreachable` when the agent does not start.
 */
export async function enrolNode(
  master: ControlMaster,
  host: string,
  target: Installed & { readonly build: string },
  request: Extract<EnrolRequest, { type: 'enrol' }>,
  signal: AbortSignal,
): Promise<Extract<EnrolReply, { status: 'enrolled' }>> {
  const command = remoteCommand(place, [target.node, target.build, target.token, runtimeVersion]);
  const result = await runRemote(master, command, { input: JSON.stringify(request), timeoutMs }, signal);
  const reply = parseReply(result, host);
  if (reply.status !== 'enrolled')
    throw new TowError('bad-message', `${host}: enrolment was answered by ${reply.status}`);
  if (result.code !== 0) throw agentFailed(host, 'the agent did not start', result);
  return reply;
}

const restart = [
  'cd "$HOME/.towline/agent" || exit 41; grep -qF "$3" "$4/identity.json" || exit 42',
  'exec "$1" "$PWD/builds/$2/agent.mjs" start',
].join('; ');

/** Starts the agent of a node that was enrolled before, if it does not run; false if that takes an enrolment. */
export async function startNode(
  master: ControlMaster,
  target: { readonly node: string; readonly build: string; readonly keyId: string; readonly machine: string },
  signal: AbortSignal,
): Promise<boolean> {
  const command = remoteCommand(restart, [target.node, target.build, target.keyId, target.machine]);
  return (await runRemote(master, command, { timeoutMs }, signal)).code === 0;
}

/** Any build will do to end an enrolment. */
const leave = [
  'n="$HOME/.towline/agent/node/$1/bin/node"; [ -x "$n" ] || n=$(command -v node || echo /usr/local/bin/node)',
  'for a in "$HOME"/.towline/agent/builds/*/agent.mjs; do [ -f "$a" ] && exec "$n" "$a" enrol; done; exit 43',
].join('; ');
const nothingThere = 43;

/** Ends an enrolment on the node itself; true if there was one under this key. */
export async function leaveNode(
  master: ControlMaster,
  host: string,
  request: Extract<EnrolRequest, { type: 'leave' }>,
  signal: AbortSignal,
): Promise<boolean> {
  const command = remoteCommand(leave, [runtimeVersion]);
  const result = await runRemote(master, command, { input: JSON.stringify(request), timeoutMs }, signal);
  if (result.code === nothingThere) return false;
  const reply = parseReply(result, host);
  return reply.status === 'left' && reply.removed;
}

/** The reply out of everything the login printed; a refusal is thrown. */
function parseReply(result: ProcessResult, host: string): EnrolReply {
  const line = result.stdout.split('\n').find((text) => text.startsWith(enrolReplyMarker));
  if (line === undefined) throw agentFailed(host, 'the agent could not be enrolled', result);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), enrolReplySchema), line.slice(enrolReplyMarker.length));
  if (!parsed.success) throw new TowError('bad-message', `${host}: enrolment was answered by something else`);
  const reply = parsed.output;
  if (reply.status !== 'refused') return reply;
  const { code, message, hint, retryable } = reply.error;
  throw new TowError(code, `${host}: ${message}`, { retryable, ...(hint === undefined ? {} : { hint }) });
}

function agentFailed(host: string, what: string, result: ProcessResult): TowError {
  const said = result.stderr.trim().slice(-800) || `the remote command ended with code ${result.code ?? 'none'}`;
  return new TowError('agent-unreachable', `${host}: ${what}`, {
    cause: new Error(said),
    hint: 'what the host said is above; ~/.towline/agent/*/log there may say more',
    retryable: result.timedOut,
  });
}
