/**
 * The calls of node:fs that change a disk, counted, so that a test can stop a program before any one of them. From then on
 * all of them fail: whatever the program does to clean up has no effect, as if it had been killed.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

class Killed extends Error {}

const changing = [
  'openSync',
  'writeSync',
  'fchmodSync',
  'ftruncateSync',
  'truncateSync',
  'appendFileSync',
  'writeFileSync',
  'renameSync',
  'mkdirSync',
  'rmSync',
  'rmdirSync',
  'unlinkSync',
  'symlinkSync',
] as const;

export type Change = (typeof changing)[number];

const bootFile = '/proc/sys/kernel/random/boot_id';

// Node takes its own calls for a recursive removal when the first one is made, and keeps them: not ours.
fs.rmSync(fs.mkdtempSync(join(tmpdir(), 'dying-')), { recursive: true });

export class DyingDisk implements Disposable {
  /** Each change that was made. */
  readonly made: { readonly call: Change; readonly args: readonly unknown[] }[] = [];
  #dead = false;
  readonly #restore: (() => void)[] = [];

  /** `lives`: whether the program lives to make this change. `boot`: the machine was started anew. */
  constructor(lives: (call: Change, index: number, args: readonly unknown[]) => boolean, boot?: string) {
    for (const call of changing) {
      this.#replace(call, (original) => (...args: readonly unknown[]) => {
        this.#dead ||= !lives(call, this.made.length, args);
        if (this.#dead) throw new Killed(`before ${call}`);
        this.made.push({ call, args });
        return original(...args);
      });
    }
    if (boot !== undefined)
      this.#replace(
        'readFileSync',
        (original) =>
          (...args) =>
            args[0] === bootFile ? boot : original(...args),
      );
    syncBuiltinESMExports();
  }

  get dead(): boolean {
    return this.#dead;
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore) restore();
    syncBuiltinESMExports();
  }

  #replace(
    name: Change | 'readFileSync',
    by: (original: (...args: readonly unknown[]) => unknown) => (...args: readonly unknown[]) => unknown,
  ): void {
    const original: unknown = Reflect.get(fs, name);
    if (typeof original !== 'function') throw new Error(`no ${name}`);
    Reflect.set(
      fs,
      name,
      by((...args) => Reflect.apply(original, fs, args)),
    );
    this.#restore.push(() => void Reflect.set(fs, name, original));
  }
}
