import { join } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import { bytesOf, displayPath } from '../../protocol/base/root-path.ts';
import { Slots } from '../../protocol/base/slots.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { absoluteDestination, type Reach } from '../../protocol/pull/replica/destination.ts';
import { otherRoots, rootKey } from '../../protocol/pull/replica/inner-roots.ts';
import { copySource } from '../../protocol/store/copy-source.ts';
import { LinkStore } from '../../protocol/store/link/link-store.ts';
import { payloadSlots } from '../../protocol/store/link/store-calls.ts';
import { limits } from '../../protocol/wire/limits.ts';
import type { AgentMethods, ControllerMethods } from '../../protocol/wire/methods.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { AgentPaths } from '../paths.ts';
import { runCopy } from './copy-thread.ts';
import { runHead } from './head/head-thread.ts';

export interface CopyHandlersOptions {
  readonly paths: AgentPaths;
  /** Bundle that serves the role 'copy'. */
  readonly script: string;
  readonly reach: Reach;
  /** Where other nodes of the cluster may reach this one. */
  address(): string;
  link(): Link<ControllerMethods> | undefined;
  log(line: string): void;
}

/** Of what is told of a head that could not be used. */
const failureLength = 1000;

/** Serves copies of buckets. One at a time a destination: a second one waits for the first. */
export function copyHandlers(options: CopyHandlersOptions): Pick<Handlers<AgentMethods>, 'copy.run' | 'copy.serve'> {
  const { paths, script } = options;
  const slots = new Slots(payloadSlots);
  const turns = new Map<string, Promise<void>>();
  return {
    'copy.run': async (params, context) => {
      const key = rootKey(params.dest);
      const before = turns.get(key) ?? Promise.resolve();
      const run = before.then(() => copy(key));
      turns.set(
        key,
        run.then(
          () => undefined,
          () => undefined,
        ),
      );
      const result = await run;
      return {
        ...result,
        headFailure: result.headFailure?.slice(0, failureLength),
        conflicts: result.conflicts
          .slice(0, limits.conflictsNamed)
          .map((conflict) => ({ ...conflict, path: wireBytes(conflict.path) })),
        conflictCount: result.conflicts.length,
        leftOut: result.leftOut.slice(0, limits.rootsNamed).map((path) => wireBytes(path)),
        problems: result.problems.slice(0, limits.problemsNamed).map((problem) => ({
          ...problem,
          path: wireBytes(problem.path),
          message: displayPath(problem.message),
        })),
        problemCount: result.problems.length,
      };

      function copy(rootKeyOf: string) {
        const { dest, access, offer, prefix, others, mayBeEmpty, allowDelete, verify, head } = params;
        return runCopy(
          script,
          {
            role: 'copy',
            access,
            head,
            options: {
              dest,
              key: rootKeyOf,
              stateDir: join(paths.base, 'copies', rootKeyOf),
              conflictsDir: paths.conflicts,
              rules: { home: bytesOf(paths.home), reach: options.reach },
              rootDir: join(paths.roots, rootKeyOf),
              otherRoots: [
                ...otherRoots(paths.roots, rootKeyOf),
                ...others.map((other) => absoluteDestination(other, bytesOf(paths.home))),
              ],
              source: copySource(access, prefix),
              prefix,
              mayBeEmpty,
              allowDelete,
              verify,
            },
          },
          (bucket) => new LinkStore({ bucket, link: () => options.link(), slots }),
          {
            event: (event) => context.emit(event),
            note: (text) => options.log(`${displayPath(dest)}: ${text}`),
            refresh: async () => {
              const link = options.link();
              if (link === undefined) throw new TowError('link-lost', 'the link to the controller is gone');
              const { signal } = new AbortController();
              return (await link.call('bucket.access', { offer }, {}, signal)).access;
            },
          },
          context.signal,
        );
      }
    },
    'copy.serve': async ({ dest, source, key }, { emit, signal }) => {
      const address = options.address();
      return await runHead(
        script,
        {
          role: 'head',
          options: {
            address,
            key,
            dest,
            rules: { home: bytesOf(paths.home), reach: options.reach },
            stateDir: join(paths.base, 'copies', rootKey(dest)),
            source,
          },
        },
        {
          listening: (port) => emit({ address, port }),
          note: (text) => options.log(`${displayPath(dest)}: ${text}`),
        },
        signal,
      );
    },
  };
}
