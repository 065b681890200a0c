import type { RootPath } from '../../base/root-path.ts';
import { type Ledger, ledgerItem } from './ledger.ts';
import type { Plan } from './plan.ts';
import type { Print } from './print.ts';

/** Prints that will hold after the switch: not those of files whose inode gets another name. */
export function keptPrints(plan: Plan, ledger: Ledger | undefined): ReadonlyMap<RootPath, Print> {
  const linked = new Set(
    plan.placements.filter(({ entry }) => entry.kind === 'hardlink').map(({ entry }) => entry.content),
  );
  if (linked.size === 0) return plan.prints;
  const prints = new Map(plan.prints);
  for (const path of plan.prints.keys()) {
    const entry = ledger === undefined ? undefined : ledgerItem(ledger, path)?.entry;
    if (linked.has(path) || (entry?.kind === 'hardlink' && linked.has(entry.content))) prints.delete(path);
  }
  return prints;
}
