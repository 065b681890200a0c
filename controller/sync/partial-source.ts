import { type Problem, TowError } from '../../protocol/base/errors.ts';
import { displayPath } from '../../protocol/base/root-path.ts';
import { problemsShown } from './report-node.ts';

/** What a source (its path, latin1-held, or name) is refused with when paths of it cannot be read: its causes name them. */
export function partialSource(from: string, problems: readonly Problem[]): TowError {
  const [first] = problems;
  // Names that no key of a bucket can be: reading is not what they lack.
  const unnamed = problems.every(({ code }) => code === 'unsafe-key');
  const unstable = problems.every(({ code }) => code === 'source-unstable');
  const named = problems.slice(0, problemsShown).map(({ path, message }) => `${displayPath(path)}: ${message}`);
  const more = problems.length > problemsShown ? [`and ${problems.length - problemsShown} more`] : [];
  let cause: Error | undefined;
  for (const line of [...named, ...more].toReversed()) cause = new Error(line, cause === undefined ? {} : { cause });
  return new TowError(
    unstable ? 'source-unstable' : 'partial-source',
    `${displayPath(from)}: ${problems.length} of its paths cannot be ${unnamed ? 'objects of a bucket' : 'read'}${first === undefined ? '' : `, the first is ${displayPath(first.path)}`}`,
    {
      cause,
      hint: `${unnamed ? 'rename them' : 'make them readable'}, ignore them (.gitignore), or sync without them: --allow-partial`,
    },
  );
}
