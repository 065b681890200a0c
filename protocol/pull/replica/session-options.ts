import type { Digest } from '../../chunk/digest.ts';
import type { DestinationRules } from './destination.ts';
import type { Ledger } from './ledger.ts';
import type { LedgerFile } from './ledger-file.ts';

export interface SessionOptions {
  /** `roots/KEY` of the agent; made if missing. */
  readonly stateDir: string;
  readonly key: string;
  readonly conflictsDir: string;
  /** Destination as the task writes it; latin1. */
  readonly dest: string;
  readonly rules: DestinationRules;
  /** Where the node's other roots lie (absolute, latin1), and the destinations of the task's other roots as it writes them. */
  readonly otherRoots: readonly string[];
  readonly otherDestinations: readonly string[];
  readonly source: string;
  readonly digest: Digest;
  readonly allowDelete: boolean;
  readonly verify: boolean;
}

export interface StagedTotals {
  /** Nothing to place, remove or set: the root is as it should be. */
  readonly settled: boolean;
  readonly files: number;
  readonly finishedFiles: number;
  readonly wantedBytes: number;
}

/** What a session leaves for the next one on the same root: nobody else changes these. */
export interface Remembered {
  readonly stateDir: string;
  readonly ledger: Ledger;
  readonly file: LedgerFile;
}
