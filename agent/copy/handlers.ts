import { join } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import { bytesOf, displayPath } from '../../protocol/base/root-path.ts';
import { Slots } from '../../protocol/base/slots.ts';
import type { Handlers, Link } from '../../protocol/link/link.ts';
import { absoluteDestination, type Reach } from '../../protocol/pull/replica/destination.ts';
import { otherRoots, rootKey } from '../../protocol/pull/replica/inner-roots.ts';
import { LinkStore } from '../../protocol/store/link/link-store.ts';
import { payloadSlots } from '../../protocol/store/link/store-calls.ts';
import { limits } from '../../protocol/wire/limits.ts';
import type { AgentMethods, ControllerMethods } from '../../protocol/wire/methods.ts';
import { wireBytes } from '../../protocol/wire/schema.ts';
import type { StoreAccess } from '../../protocol/wire/store-access.ts';
import type { AgentPaths } from '../paths.ts';
import { runCopy } from './copy-thread.ts';

export interface CopyHandlersOptions {
  readonly paths: AgentPaths;
  /** Bundle that serves the role 'copy'. */
  readonly script: string;
  readonly reach: Reach;
  link(): Link<ControllerMethods> | undefined;
  log(line: string): void;
}

/** Serves copies of buckets. One at a time a destination: a second one waits for the first. */
export function copyHandlers(options: CopyHandlersOptions): Pick<Handlers<AgentMethods>, 'copy.run'> {
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
        conflicts: result.conflicts.map((conflict) => ({ ...conflict, path: wireBytes(conflict.path) })),
        leftOut: result.leftOut.slice(0, limits.rootsNamed).map((path) => wireBytes(path)),
        problems: result.problems.slice(0, limits.problemsNamed).map((problem) => ({
          ...problem,
          path: wireBytes(problem.path),
          message: displayPath(problem.message),
        })),
        problemCount: result.problems.length,
      };

      function copy(rootKeyOf: string) {
        const { dest, access, offer, prefix, others, mayBeEmpty, allowDelete, verify } = params;
        return runCopy(
          script,
          {
            role: 'copy',
            access,
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
              source: sourceOf(access, prefix),
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
  };
}

function sourceOf(access: StoreAccess, prefix: string): string {
  const at = access.service === 's3' ? `${access.provider} ${access.endpoint ?? ''}` : '';
  return `${access.service} ${at} ${access.bucket} ${prefix}`;
}
