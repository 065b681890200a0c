/** Finishes a switch that a crash interrupted. Runs before anything else touches the root. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Problem, TowError } from '../../base/errors.ts';
import { syncStage } from './barrier.ts';
import { timesAreExact } from './exact-times.ts';
import { deleteJournal, type Journal, readJournal, setJournalAside } from './journal.ts';
import type { KeptVersions } from './kept-versions.ts';
import type { Ledger } from './ledger.ts';
import { applyRecord, LedgerFile } from './ledger-file.ts';
import { outlastClock, settleRecord } from './next-ledger.ts';
import { runSwitch } from './switch.ts';
import type { SwitchResult } from './switch-result.ts';

export interface Recovery {
  readonly ledger: Ledger | undefined;
  readonly file: LedgerFile;
  /** What had to be done; undefined when the last switch had ended. */
  readonly rolledForward: SwitchResult | undefined;
  readonly problem: Problem | undefined;
}

/** Blocking. */
export function recoverRoot(stateDir: string, kept: KeptVersions): Recovery {
  rmSync(join(stateDir, 'journal.new'), { force: true });
  const file = new LedgerFile(stateDir);
  try {
    const journal = readJournal(stateDir);
    const ledger = file.load();
    if (journal === undefined) return { ledger, file, rolledForward: undefined, problem: undefined };
    const { after, result } = finishSwitch(stateDir, journal, ledger, file, kept);
    return { ledger: after, file, rolledForward: result, problem: undefined };
  } catch (error) {
    if (
      !(error instanceof TowError) ||
      (error.code !== 'journal-damaged' && error.code !== 'bad-message' && error.code !== 'ledger-damaged')
    )
      throw error;
    // Nothing of the root counts as ours any more, so nothing of it can be removed; the next pull adopts equal files.
    if (error.code === 'journal-damaged') setJournalAside(stateDir);
    file.remove();
    return {
      ledger: undefined,
      file,
      rolledForward: undefined,
      problem: { path: '', code: error.code, message: error.message },
    };
  }
}

/** Runs a durable journal to its end: ops, barrier, ledger, deletion. Blocking. */
export function finishSwitch(
  stateDir: string,
  journal: Journal,
  before: Ledger | undefined,
  file: LedgerFile,
  kept: KeptVersions,
): { after: Ledger; result: SwitchResult } {
  const result = runSwitch(journal, kept);
  syncStage(journal.stage);
  const exact = timesAreExact(journal.root, journal.stage);
  if (!exact) outlastClock(journal.record);
  const failed = new Set(result.problems.map((problem) => problem.path));
  const record = settleRecord(journal.root, before, journal.record, {
    unproven: result.unproven,
    unplaced: result.unplaced,
    failed,
    restored: new Set(),
    exact,
  });
  const after = applyRecord(before, record);
  file.append(record, after);
  deleteJournal(stateDir);
  return { after, result };
}
