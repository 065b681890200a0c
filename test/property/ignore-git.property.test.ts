/**
 * For any tree and any rules, what is sent is what git lists (`ls-files --cached --others --exclude-standard`), and the
 * rule that is named is the one git names (`check-ignore -v`).
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { posix } from 'node:path';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { bytesOf } from '../../protocol/base/root-path.ts';
import { foldCase } from '../../protocol/pull/source/ignore/glob.ts';
import { openIgnore } from '../../protocol/pull/source/ignore/open-ignore.ts';
import { firstSeed } from '../helpers/first-seed.ts';
import { type GitCase, gitCase } from '../helpers/git-case.ts';
import { type Layout, layOut, pathsToTrack } from '../helpers/git-layout.ts';
import { type GitCommand, runGit } from '../helpers/git-oracle.ts';
import { type WalkedEntry, walkScope } from '../helpers/ignore-walk.ts';

const caseCount = Number(process.env['TOWLINE_IGNORE_CASES'] ?? 2000);
const batchCases = 40;

const indexLine = ({ one }: Layout, mode: string, path: string): string =>
  `${mode} ${'1'.repeat(one.hash === 'sha1' ? 40 : 64)}\t${path}\0`;

/** Makes the indexes. */
function indexCommands(layout: Layout): GitCommand[] {
  const { top, home, one, nested } = layout;
  const own = pathsToTrack(layout, one.tracked, false).map((path) => indexLine(layout, '100644', path));
  if (nested !== undefined && one.nested?.gitlink === true) own.push(indexLine(layout, '160000', nested));
  const theirs = nested === undefined ? [] : pathsToTrack(layout, one.nested?.tracked ?? [], true);
  const update = ['update-index', `--index-version=${one.indexVersion}`];
  const fill = (cwd: string, lines: readonly string[]): GitCommand[] =>
    lines.length === 0 ? [] : [{ cwd, home, args: [...update, '-z', '--index-info'], input: lines.join('') }];
  const nestedIndex = fill(
    `${top}/${nested}`,
    theirs.map((path) => indexLine(layout, '100644', path)),
  );
  if (!one.splitIndex || own.length === 0) return [...fill(top, own), ...nestedIndex];
  const first = own.filter((_, index) => index % 2 === 0);
  const changes = own.flatMap((line, index) =>
    index % 2 === 1 ? [line] : index % 4 === 0 ? [line.replace(/^\d+/, '0')] : [],
  );
  return [
    ...fill(top, first),
    { cwd: top, home, args: [...update, '--split-index'] },
    { cwd: top, home, args: ['update-index', '-z', '--index-info'], input: changes.join('') },
    ...nestedIndex,
  ];
}

/** Asks git: what the outer repository lists, what it says of each path that is its own, what the nested one lists. */
function askCommands({ top, home, nested, paths }: Layout): GitCommand[] {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const own = [...paths.keys()].filter((path) => nested === undefined || !path.startsWith(`${nested}/`));
  const check = ['check-ignore', '-v', '-n', '--no-index', '-z', '--stdin'];
  const input = own.map((path) => `${path}\0`).join('');
  return [
    { cwd: top, home, args: list },
    { cwd: top, home, args: own.length === 0 ? ['version'] : check, input },
    ...(nested === undefined ? [] : [{ cwd: `${top}/${nested}`, home, args: list }]),
  ];
}

/** The paths of files that git would have sent. */
function listedByGit({ paths, nested, one }: Layout, own: string, theirs: string): string[] {
  const listed = own.split('\0');
  const sent = new Set(listed);
  if (nested !== undefined && (sent.has(nested) || sent.has(`${nested}/`)))
    for (const path of theirs.split('\0')) sent.add(`${nested}/${path}`);
  const fold = (path: string): string => (one.ignoreCase ? foldCase(path) : path);
  const folded = new Set([...sent].map(fold));
  return [...paths].filter(([path, { isDir }]) => !isDir && folded.has(fold(path))).map(([path]) => path);
}

function filesSent(entries: ReadonlyMap<string, WalkedEntry>, one: Layout['one']): string[] {
  const files = [...entries].filter(([, { isDir }]) => !isDir);
  const fold = (path: string): string => (one.ignoreCase ? foldCase(path) : path);
  // Where case is ignored, git lists one of two names that differ in case only.
  const folded = new Set(files.filter(([, { sent }]) => sent).map(([path]) => fold(path)));
  return files.filter(([path]) => folded.has(fold(path))).map(([path]) => path);
}

/** Path by path, the rule that git names; '' for none. */
function rulesOfGit(layout: Layout, output: string): Map<string, string> {
  const rules = new Map<string, string>();
  const fields = output.split('\0');
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [file = '', line = '', , path = ''] = fields.slice(at, at + 4);
    rules.set(path, file === '' ? '' : `${posix.resolve(layout.top, file)}:${line}`);
  }
  return rules;
}

function judgeLikeGit(layout: Layout, [own = '', checked = '', theirs = '']: readonly string[]): void {
  const { top, home, one } = layout;
  const options = { home, xdgConfigHome: undefined, systemConfig: '/nonexistent' };
  const entries = walkScope(top, openIgnore({ root: top, ...options }).scope);
  expect(filesSent(entries, one)).toEqual(listedByGit(layout, own, theirs));
  if (checked.includes('\0')) {
    const ours = new Map<string, string>();
    const asked = rulesOfGit(layout, checked);
    for (const path of asked.keys()) {
      const rule = entries.get(path)?.judgement.verdict.rule;
      ours.set(path, rule === undefined ? '' : `${rule.file}:${rule.line}`);
    }
    expect(ours).toEqual(asked);
  }
  const directories = [...entries].filter(([, { isDir, judgement }]) => isDir && judgement.send);
  const chosen = one.root === undefined ? undefined : directories[one.root % Math.max(1, directories.length)];
  if (chosen !== undefined) judgeFromBelow(layout, chosen[0], entries, options);
}

/** A root below the top, none of the directories to it ignored, is judged as it is from the top. */
function judgeFromBelow(
  { top }: Layout,
  directory: string,
  entries: ReadonlyMap<string, WalkedEntry>,
  options: Omit<Parameters<typeof openIgnore>[0], 'root'>,
): void {
  const parents = directory.split('/').map((_, index, names) => names.slice(0, index + 1).join('/'));
  if (parents.some((path) => entries.get(path)?.judgement.verdict.ignored !== false)) return;
  const below = walkScope(`${top}/${directory}`, openIgnore({ root: `${top}/${directory}`, ...options }).scope);
  const fromTop = [...entries].filter(([path]) => path.startsWith(`${directory}/`));
  expect(new Map([...below].map(([path, entry]) => [`${directory}/${path}`, entry]))).toEqual(new Map(fromTop));
}

/** The first of the cases in which git has it otherwise. */
function judgeAll(
  cases: readonly GitCase[],
  scratch: string,
): { readonly failed: number; readonly error: unknown } | undefined {
  rmSync(scratch, { recursive: true, force: true });
  const layouts = cases.map((one, index) => layOut(`${scratch}/${index}`, one));
  runGit(layouts.flatMap(indexCommands), `${scratch}/index`);
  const asked = layouts.map(askCommands);
  const answers = runGit(asked.flat(), `${scratch}/ask`);
  for (const [index, layout] of layouts.entries()) {
    try {
      judgeLikeGit(layout, answers.splice(0, asked[index]?.length));
    } catch (error) {
      return { failed: index, error };
    }
  }
  return undefined;
}

it('sends what git lists, for the reason git gives', () => {
  // Hundreds of thousands of small files: in memory where there is such a place.
  const scratch = bytesOf(mkdtempSync(`${existsSync('/dev/shm') ? '/dev/shm' : tmpdir()}/towline-ignore-`));
  console.log(`ignore-git: ${caseCount} cases, TOWLINE_SEED=${firstSeed}`);
  const cases = fc.sample(fc.tuple(gitCase), { seed: firstSeed, numRuns: caseCount }).map(([one]) => one);
  try {
    for (let first = 0; first < caseCount; first += batchCases) {
      const failure = judgeAll(cases.slice(first, first + batchCases), scratch);
      if (failure === undefined) continue;
      const judgeOne = fc.property(gitCase, (one) => {
        const again = judgeAll([one], scratch);
        if (again !== undefined) throw again.error;
      });
      fc.assert(judgeOne, { seed: firstSeed, path: `${first + failure.failed}`, interruptAfterTimeLimit: 60_000 });
      throw new Error(`case ${fc.stringify(cases[first + failure.failed])}`, { cause: failure.error });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}, 240_000);
