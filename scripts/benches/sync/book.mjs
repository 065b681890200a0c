// The raw samples of all rows, kept from one run to the next in a JSON file: a row that is run again replaces its old samples.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname } from 'node:path';
import { machine, sh } from '../../proofs/hosts.mjs';

const format = 2;

export class Book {
  #path;
  #command;
  #ofThisRun = new Set();
  rows = {};

  constructor(path, command) {
    this.#path = path;
    this.#command = command;
    if (!existsSync(path)) return;
    const stored = JSON.parse(readFileSync(path, 'utf8'));
    if (stored.format === format) this.rows = stored.rows;
  }

  record(key, who, sample) {
    const row = this.#row(key);
    row.samples[who] ??= [];
    row.samples[who].push(sample);
    const figures = Object.entries(sample).map(([name, value]) => `${name} ${Math.round(value * 1000) / 1000}`);
    console.log(`${key.padEnd(16)} ${who.padEnd(8)} ${figures.join('  ')}`);
  }

  fact(key, facts) {
    Object.assign(this.#row(key).facts, facts);
  }

  save() {
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, `${JSON.stringify({ format, rows: this.rows }, null, 1)}\n`);
  }

  #row(key) {
    if (!this.#ofThisRun.has(key)) {
      this.#ofThisRun.add(key);
      this.rows[key] = {
        date: new Date().toISOString(),
        command: this.#command,
        commit: sh('git describe --always --dirty --abbrev=10').trim(),
        machine: machine(),
        loadBefore: loadavg()[0],
        facts: {},
        samples: {},
      };
    }
    return this.rows[key];
  }
}

/** One sample of each contestant on the same work; who goes first moves on from run to run. They wait for each other's aftermath. */
export function compare(book, key, run, contestants) {
  const names = Object.keys(contestants);
  for (let k = 0; k < names.length; k += 1) {
    const who = names[(k + run) % names.length];
    book.record(key, who, contestants[who]());
    sh('sleep 1');
  }
}

/** The same right after a change, and once more some seconds after another one, as `KEY-later`. */
export function compareChange(book, key, run, lab, make, contestants) {
  lab.change(make);
  compare(book, key, run, contestants);
  lab.change(make);
  lab.pause();
  compare(book, `${key}-later`, run, contestants);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
