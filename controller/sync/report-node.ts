/** What a node says of one root, told to the user: problems, and what was kept. */
import { type Problem, TowError } from '../../protocol/base/errors.ts';
import { displayPath } from '../../protocol/base/root-path.ts';
import type { ApiEvent } from '../api/event.ts';

/** Problems shown one by one. */
export const problemsShown = 10;

interface Named {
  readonly name: string;
}

/** What pulls and copies have in common. */
interface NodeResult {
  /** The first of them. */
  readonly problems: readonly Problem[];
  /** How many there are; absent: these are all. */
  readonly problemCount?: number;
  /** The first of them, and how many there are. */
  readonly conflicts: readonly { readonly path: string }[];
  readonly conflictCount: number;
  /** Paths of the source where another root lies. */
  readonly leftOut?: readonly string[] | undefined;
}

interface ReportOptions {
  readonly allowPartial: boolean;
  emit(event: ApiEvent): void;
}

/** What lies elsewhere than where the user wants it, so that the path in the message says little. */
const aboutRoot = new Set(['no-space', 'no-inodes']);

/** Says which node an error is about, and which root, where its message cannot. */
export function onNode(node: Named, root: Named, error: unknown): unknown {
  if (!(error instanceof TowError) || error.code === 'cancelled' || error.code === 'source-changed') return error;
  const where = aboutRoot.has(error.code) ? `${node.name}: ${root.name}` : node.name;
  return new TowError(error.code, `${where}: ${error.message}`, {
    cause: error.cause,
    retryable: error.retryable,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

export function reportNode(node: Named, root: Named, result: NodeResult | undefined, options: ReportOptions): void {
  const warn = (text: string): void =>
    options.emit({ type: 'note', level: 'warning', text: `${node.name}: ${root.name}: ${text}` });
  const problems = result?.problems ?? [];
  for (const problem of problems.slice(0, problemsShown)) warn(problemText(problem));
  const more = problems.length + uncounted(result) - problemsShown;
  if (more > 0) warn(`and ${more} more`);
  refusePartial(node, root, result, options);
  for (const path of result?.leftOut ?? []) {
    options.emit({
      type: 'note',
      level: 'warning',
      text: `${node.name}: ${root.name}: ${displayPath(path)} is left out: another file mount lies there`,
      hint: 'ignore it (.gitignore); or, if that mount is not wanted any more, remove its directory on the node',
    });
  }
  const count = result?.conflictCount ?? 0;
  if (count === 0) return;
  const [first] = result?.conflicts ?? [];
  options.emit({
    type: 'note',
    level: 'warning',
    text: `${node.name}: ${root.name}: ${count === 1 ? 'one path was' : `${count} paths were`} changed on the node and replaced; the node's version is kept (${displayPath(first?.path ?? '')}${count > 1 ? ', …' : ''})`,
    hint: 'tow conflicts ls shows kept versions, tow conflicts restore puts one back',
  });
}

/** Problems that the node did not name one by one. */
function uncounted(result: NodeResult | undefined): number {
  return Math.max(0, (result?.problemCount ?? 0) - (result?.problems.length ?? 0));
}

/** What is no path, as a key that cannot be one, is named in the message. */
function problemText({ path, message }: Problem): string {
  return path === '' ? message : `${displayPath(path)}: ${message}`;
}

/** Damaged state was set aside and dealt with; any other problem means that the tree on the node is not the source's. */
function refusePartial(node: Named, root: Named, result: NodeResult | undefined, options: ReportOptions): void {
  const missing = result?.problems.filter(({ code }) => code !== 'journal-damaged' && code !== 'ledger-damaged') ?? [];
  const [first] = missing;
  if (first === undefined || options.allowPartial) return;
  throw new TowError(
    first.code,
    `${node.name}: ${root.name}: ${missing.length + uncounted(result)} of its paths could not be put in place, the first: ${problemText(first)}`,
    {
      hint:
        first.code === 'unsafe-key'
          ? 'rename the objects in the bucket, or go on without them: --allow-partial'
          : 'mend that on the node and sync again, or go on without them: --allow-partial',
    },
  );
}
