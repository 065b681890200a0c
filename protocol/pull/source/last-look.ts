/**
 * What the last look at all of a source went by, kept in its index: with it a daemon that starts anew need not read a rule
 * or a directory to know that all is as it was.
 */
import * as v from 'valibot';
import { areSettled, stampsOf, unreadable } from './rule-stamps.ts';
import type { Watched } from './source-watch.ts';
import type { WalkInput, WalkOutput } from './tasks.ts';

const ruleSchema = v.object({ file: v.string(), line: v.number(), pattern: v.string() });

export const lastLookSchema = v.object({
  root: v.string(),
  home: v.string(),
  xdgConfigHome: v.optional(v.string()),
  sendGit: v.boolean(),
  /** Every file that rules were read from or looked for in, and what was there. */
  rules: v.array(v.tuple([v.string(), v.string()])),
  warnings: v.array(v.string()),
  skipped: v.number(),
  files: v.number(),
  ignored: v.number(),
  firstRule: v.optional(ruleSchema),
});
export type LastLook = v.InferOutput<typeof lastLookSchema>;

/** Of a look that has just been taken; undefined where it can prove nothing later. Blocking, some milliseconds. */
export function lookOf(where: Omit<WalkInput, 'cancel'>, { watch, walk }: Watched): LastLook | undefined {
  const rules = [...watch.ruleStamps];
  if (rules.some(([, stamp]) => stamp.endsWith(unreadable))) return undefined;
  // An ignored directory may come to have something that is sent, and is in no listing.
  if (walk.empty.length > 0 || walk.problems.length > 0 || !areSettled(watch.ruleStamps.keys(), watch.openedMs))
    return undefined;
  const { root, home, xdgConfigHome, sendGit } = where;
  const { skipped, files, ignored, firstRule } = walk;
  return {
    root,
    home,
    sendGit,
    rules,
    skipped,
    files,
    ignored,
    warnings: [...walk.warnings],
    ...(xdgConfigHome === undefined ? {} : { xdgConfigHome }),
    ...(firstRule === undefined ? {} : { firstRule: { ...firstRule } }),
  };
}

/** Whether the same rules would be read now as then. Blocking, some milliseconds. */
export function rulesHold(look: LastLook, where: Omit<WalkInput, 'cancel'>): boolean {
  if (look.root !== where.root || look.home !== where.home || look.sendGit !== where.sendGit) return false;
  if (look.xdgConfigHome !== where.xdgConfigHome) return false;
  const now = stampsOf(look.rules.map(([path]) => path));
  return look.rules.every(([path, stamp]) => now.get(path) === stamp);
}

/** What that look came to, if nothing but files changed since. */
export function walkOf({ rules, warnings, skipped, files, ignored, firstRule }: LastLook): WalkOutput {
  const inputs = rules.map(([path]) => path);
  return {
    warnings,
    skipped,
    files,
    ignored,
    firstRule,
    problems: [],
    gone: [],
    empty: [],
    unclear: false,
    rules: { inputs, facts: new Map(), tracked: new Map() },
  };
}
