import { throwIfAborted } from '../../protocol/base/abort.ts';
import { TowError } from '../../protocol/base/errors.ts';
import type { Link } from '../../protocol/link/link.ts';
import type { ScriptState } from '../../protocol/wire/job.ts';
import type { AgentMethods } from '../../protocol/wire/methods.ts';
import type { ScriptKind } from './job.ts';

/** A node as jobs see it. */
export interface JobNode {
  readonly name: string;
  readonly address: string;
  readonly gpus: number;
  /** The link, now or whenever it is back. */
  link(signal: AbortSignal): Promise<Link<AgentMethods>>;
}

/** Calls the node until the call goes through: a lost link is waited for and the call made again. */
export async function persist<T>(
  node: Pick<JobNode, 'name' | 'link'>,
  call: (link: Link<AgentMethods>) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    throwIfAborted(signal);
    const link = await node.link(signal);
    try {
      return await call(link);
    } catch (error) {
      if (!(error instanceof TowError) || error.code !== 'link-lost') throw error;
      // The session may not know yet that its link is gone.
      await link.closed;
    }
  }
}

export interface Script {
  readonly job: string;
  readonly kind: ScriptKind;
}

/** Starts a script; safe to repeat, it starts once. */
export async function startScript(
  node: JobNode,
  script: Script & { readonly text: string; readonly env: readonly [string, string][] },
  signal: AbortSignal,
): Promise<ScriptState> {
  const { job, kind, text, env } = script;
  return await persist(
    node,
    (link) => link.call('job.start', { job, kind, script: text, env: [...env] }, {}, signal),
    signal,
  );
}

/** Waits for a script's end. */
export async function awaitScript(node: JobNode, script: Script, signal: AbortSignal): Promise<ScriptState> {
  return await persist(
    node,
    (link) => link.call('job.state', { job: script.job, kind: script.kind, wait: true }, {}, signal),
    signal,
  );
}

/** Whether the node has a script of the job, of one kind or of any. */
export async function hasScript(
  node: JobNode,
  script: Pick<Script, 'job'> & Partial<Script>,
  signal: AbortSignal,
): Promise<boolean> {
  const { scripts } = await persist(node, (link) => link.call('job.list', {}, {}, signal), signal);
  return scripts.some(({ job, kind }) => job === script.job && (script.kind === undefined || kind === script.kind));
}

const graceMs = 10_000;

export async function cancelScript(node: JobNode, script: Script, signal: AbortSignal): Promise<void> {
  await persist(
    node,
    (link) => link.call('job.cancel', { job: script.job, kind: script.kind, graceMs }, {}, signal),
    signal,
  );
}
