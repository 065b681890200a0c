import type { RootPath } from '../../base/root-path.ts';
import type { Ledger } from './ledger.ts';
import type { Observation } from './observe.ts';
import { noPrint, type Print, printCtimeNs } from './print.ts';

/** What says whether a file of the root is as the ledger has it. */
export interface Trust {
  readonly ledger: Ledger;
  readonly observation: Observation;
  /** Hash what is reused, even of a file that is as it was left. */
  readonly verify: boolean;
}

/** The print that a file has now; undefined if it is not known to be as the ledger says, or is to be hashed. */
export function trustedPrint(path: RootPath, print: Print, { ledger, observation, verify }: Trust): Print | undefined {
  const observed = observation.get(path);
  if (observed?.state === 'missing' || observed?.state === 'changed') return undefined;
  const now = observed?.print ?? print;
  return !verify && now !== noPrint && printCtimeNs(now) < ledger.settledNs ? now : undefined;
}
