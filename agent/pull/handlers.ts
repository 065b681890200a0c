import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import { bytesOf, displayPath } from '../../protocol/base/root-path.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import type { Reach } from '../../protocol/pull/replica/destination.ts';
import { otherRoots, rootKey } from '../../protocol/pull/replica/inner-roots.ts';
import { recoverAllRoots } from '../../protocol/pull/replica/recover-all.ts';
import { Replica } from '../../protocol/pull/replica/replica.ts';
import type { RootGate } from '../../protocol/pull/replica/root-gate.ts';
import type { AgentMethods, ControllerMethods } from '../../protocol/wire/methods.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { AgentPaths } from '../paths.ts';
import { nodeChunkStore } from '../via/node-chunk-store.ts';
import { conflictHandlers } from './conflicts.ts';

export interface PullHandlersOptions {
  readonly paths: AgentPaths;
  /** Bundle that serves the roles 'replica' and 'via'. */
  readonly script: string;
  readonly reach: Reach;
  readonly gate: RootGate;
  /** The link to the controller that called, for calling back. */
  link(): Link<ControllerMethods> | undefined;
  log(line: string): void;
}

type PullMethods = Pick<
  Handlers<AgentMethods>,
  'pull.run' | 'pull.advance' | 'pull.early' | 'conflicts.list' | 'conflicts.restore' | 'conflicts.prune'
>;

/** Serves pulls and kept versions. One pull at a time a root: a second one waits for the first. */
export function pullHandlers(options: PullHandlersOptions): PullMethods {
  const { paths, script, gate } = options;
  const replicas = new Map<string, Replica>();
  const replicaOf = (key: string): Replica => {
    const known = replicas.get(key) ?? new Replica(script, gate);
    replicas.set(key, known);
    return known;
  };

  return {
    'pull.run': async (params, context) => {
      const link = options.link();
      if (link === undefined) throw new TowError('link-lost', 'the link to the controller is gone');
      const key = rootKey(params.dest);
      mkdirSync(paths.conflicts, { recursive: true, mode: 0o700 });
      const result = await replicaOf(key).pull(
        link,
        {
          session: {
            key,
            stateDir: join(paths.roots, key),
            conflictsDir: paths.conflicts,
            dest: params.dest,
            otherRoots: otherRoots(paths.roots, key),
            otherDestinations: params.others,
            rules: { home: bytesOf(paths.home), reach: options.reach },
            source: params.source,
            digest: params.digest,
            allowDelete: params.allowDelete,
            verify: params.verify,
          },
          snapshot: params.snapshot,
          delta:
            params.base === undefined || context.payload === undefined
              ? undefined
              : { base: params.base, bytes: context.payload },
          foreseen: params.foreseen,
          ignored: params.ignored,
          objects: params.objects,
          store:
            params.via === undefined
              ? undefined
              : nodeChunkStore(params.via, {
                  script,
                  link,
                  note: (text) => options.log(`${displayPath(params.dest)}: ${text}`),
                }),
          onEvent: (event) => context.emit(event),
        },
        context.signal,
      );
      const { via, ...rest } = result;
      return {
        ...rest,
        ...(via === undefined ? {} : { via: { ...via, damaged: via.damaged.map(wireBytes) } }),
        digest: wireBytes(result.digest),
        conflicts: result.conflicts.map((conflict) => ({ ...conflict, path: wireBytes(conflict.path) })),
        leftOut: result.leftOut.map((path) => wireBytes(path)),
        problems: result.problems.map((problem) => ({
          ...problem,
          path: wireBytes(problem.path),
          message: displayPath(problem.message),
        })),
      };
    },
    'pull.advance': async ({ dest, offer }, { emit, signal }) => {
      const link = options.link();
      if (link === undefined) throw new TowError('link-lost', 'the link to the controller is gone');
      const key = rootKey(dest);
      const rules = { home: bytesOf(paths.home), reach: options.reach };
      const root = { key, stateDir: join(paths.roots, key), dest, rules };
      const onProgress = (files: number, bytes: number): void => emit({ files, bytes });
      try {
        const files = await replicaOf(key).advance(link, { root, offer, onProgress }, signal);
        return { wanted: files !== undefined, files: files ?? 0 };
      } catch (error) {
        // The caller has no use for the reason: it pulls now, with or without.
        if (!signal.aborted) options.log(`${displayPath(dest)}: no files in advance: ${String(error)}`);
        throw error;
      }
    },
    'pull.early': async ({ dest, ...file }, { signal }) => {
      const key = rootKey(dest);
      const rules = { home: bytesOf(paths.home), reach: options.reach };
      const root = { key, stateDir: join(paths.roots, key), dest, rules };
      return { wanted: await replicaOf(key).early({ root, ...file }, signal) };
    },
    ...conflictHandlers(paths),
  };
}

/** Before the agent dials: finishes what a crash interrupted. Returns lines for the log. */
export async function recoverRoots(paths: AgentPaths, script: string, signal: AbortSignal): Promise<string[]> {
  const { rolledForward, failed } = await recoverAllRoots(
    { rootsDir: paths.roots, conflictsDir: paths.conflicts, script },
    signal,
  );
  return [
    ...rolledForward.map((key) => `root ${key}: an interrupted switch was finished`),
    ...failed.map(
      ({ key, error }) =>
        `root ${key}: cannot finish an interrupted switch: ${error instanceof Error ? error.message : String(error)}`,
    ),
  ];
}
