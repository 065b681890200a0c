/** What a copy remembers on the disk: whole, damaged, and of somebody else. */
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CopyJournal } from '../../../agent/copy/copy-journal.ts';
import {
  atSource,
  type CopyLedger,
  emptyLedger,
  readCopyLedger,
  writeCopyLedger,
} from '../../../agent/copy/copy-ledger.ts';
import { frameRecord } from '../../../protocol/pull/replica/framed-record.ts';
import { look, printOf } from '../../../protocol/pull/replica/print.ts';

let top = '';
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'records-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const printAt = (path: string): string => {
  const stats = look(Buffer.from(path));
  if (stats === undefined) throw new Error(`nothing at ${path}`);
  return printOf(stats);
};

describe('the ledger', () => {
  const name = fc
    .array(fc.string({ minLength: 1, maxLength: 8, unit: 'binary-ascii' }), { minLength: 1, maxLength: 3 })
    .map((names) => names.map((one) => `n${Buffer.from(one).toString('hex')}\xff`).join('/'));
  const ledgers = fc.record({
    source: fc.string({ unit: 'grapheme' }),
    files: fc
      .array(
        fc.tuple(name, fc.record({ version: fc.string({ unit: 'grapheme' }), print: fc.constantFrom('', '\0\xff1') })),
      )
      .map((entries) => new Map(entries)),
    directories: fc.array(fc.tuple(name, fc.string({ unit: 'grapheme' }))).map((entries) => new Map(entries)),
  });

  test('is read as it was written', () => {
    fc.assert(
      fc.property(ledgers, (ledger) => {
        writeCopyLedger(join(top, 'ledger'), ledger);
        expect(readCopyLedger(join(top, 'ledger'))).toEqual(ledger);
      }),
    );
  });

  test('that is not there is empty; one byte that is cut off, changed or added makes it damaged', () => {
    const path = join(top, 'ledger');
    expect(readCopyLedger(path)).toEqual(emptyLedger(''));
    writeCopyLedger(path, {
      source: 's',
      files: new Map([['a', { version: 'v', print: 'p' }]]),
      directories: new Map(),
    });
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 1) {
      writeFileSync(path, whole.subarray(0, at));
      expect(readCopyLedger(path), `cut at ${at}`).toBeUndefined();
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x40;
      writeFileSync(path, damaged);
      expect(readCopyLedger(path), `changed at ${at}`).toBeUndefined();
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.from('x')]));
    expect(readCopyLedger(path)).toBeUndefined();
  });

  test('of any bytes in a whole frame is damaged, or one whose paths stay in the root', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, ours) => {
        const payload = ours ? Buffer.concat([Buffer.from([1]), bytes]) : Buffer.from(bytes);
        writeFileSync(join(top, 'ledger'), frameRecord(payload));
        const ledger = readCopyLedger(join(top, 'ledger'));
        for (const path of ledger?.files.keys() ?? []) expect(path.split('/')).not.toContain('..');
      }),
      { numRuns: 500 },
    );
  });

  test('of another source knows whose the files are, and no versions', () => {
    const ledger: CopyLedger = {
      source: 'a',
      files: new Map([['f', { version: 'v', print: 'p' }]]),
      directories: new Map([['d', 'v']]),
    };
    expect(atSource(ledger, 'a')).toBe(ledger);
    expect(atSource(ledger, 'b')).toEqual({
      source: 'b',
      files: new Map([['f', { version: '', print: 'p' }]]),
      directories: new Map([['d', '']]),
    });
  });
});

describe('the journal', () => {
  const path = (): string => join(top, 'journal');
  const recovered = (boot = 'boot', source = 's'): CopyLedger => {
    const ledger = emptyLedger(source);
    new CopyJournal(path(), boot).recover(top, ledger);
    return ledger;
  };
  /** Stages a file, notes that it is about to be placed, and places it. */
  const place = (name: string, placed = true, boot = 'boot'): void => {
    writeFileSync(join(top, 'staged'), name);
    new CopyJournal(path(), boot).append('s', [{ path: name, version: 'v', print: printAt(join(top, 'staged')) }], []);
    if (placed) renameSync(join(top, 'staged'), join(top, name));
  };

  test('says whose a file is that was placed, and nothing of one that was not', () => {
    place('a');
    place('b', false);
    writeFileSync(join(top, 'b'), 'of somebody');
    expect(recovered().files).toEqual(new Map([['a', { version: 'v', print: printAt(join(top, 'a')) }]]));
  });

  test('a file that was changed since is not ours', () => {
    place('a');
    appendFileSync(join(top, 'a'), 'more');
    expect(recovered().files.size).toBe(0);
  });

  test('of another boot, of none, or of another source no version is believed', () => {
    place('a');
    for (const ledger of [recovered('another'), recovered(''), recovered('boot', 'another')])
      expect(ledger.files.get('a')?.version).toBe('');
  });

  test('directories that were made are known, those that were not are not', () => {
    new CopyJournal(path(), 'boot').append('s', [], ['made', 'not-made']);
    expect(recovered().directories.size).toBe(0);
    mkdir('made');
    expect([...recovered().directories.keys()]).toEqual(['made']);
  });

  function mkdir(name: string): void {
    writeFileSync(join(top, 'x'), '');
    rmSync(join(top, 'x'));
    renameSync(mkdtempSync(join(top, 'd-')), join(top, name));
  }

  test('what is appended after a torn record is found', () => {
    place('a');
    const whole = statSync(path()).size;
    appendFileSync(path(), readFileSync(path()).subarray(0, 50));
    const journal = new CopyJournal(path(), 'boot');
    expect(journal.recover(top, emptyLedger('s'))).toBe('damaged');
    expect(statSync(path()).size).toBe(whole);
    place('b');
    expect([...recovered().files.keys()]).toEqual(['a', 'b']);
  });

  test('of any bytes, framed or not, says nothing of paths outside the root', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, framed) => {
        writeFileSync(path(), framed ? frameRecord(Buffer.from(bytes)) : bytes);
        const ledger = recovered();
        for (const name of ledger.files.keys()) expect(name.split('/')).not.toContain('..');
      }),
      { numRuns: 500 },
    );
  });
});
