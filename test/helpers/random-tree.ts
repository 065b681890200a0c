/** Makes and edits trees at random: every kind of entry, awkward names, types swapped, links, modes, holes. */
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setPathMtime } from '../../protocol/libc/libc.ts';
import type { Random } from './random.ts';
import { readTree } from './tree.ts';

const names = [
  'a',
  'b',
  'A',
  'B',
  'src',
  'lib',
  'data',
  'x.txt',
  'X.txt',
  'new\nline',
  ' lead',
  'tail ',
  '-dash',
  'caf\xc3\xa9',
  'bad\xff\xfe',
  '\x01ctl',
  '*',
  '[z]',
  '.hidden',
  'l'.repeat(255),
  'c',
  'd',
  'e',
  'f',
  'g',
];

export class RandomTree {
  readonly root: string;
  readonly #random: Random;
  readonly #hardlinks: boolean;

  /** `root` is absolute, latin1, and exists. `hardlinks`: whether files get further names. */
  constructor(root: string, random: Random, hardlinks = true) {
    this.root = root;
    this.#random = random;
    this.#hardlinks = hardlinks;
  }

  /** One random change. Never leaves something that the owner cannot read. */
  edit(): void {
    const random = this.#random;
    const roll = random.below(100);
    if (roll < 30) this.#write(this.#freshPath());
    else if (roll < 38) this.#mkdir(this.#freshPath());
    else if (roll < 45) this.#symlink(this.#freshPath());
    else if (roll < 50) this.#hardlink();
    else if (roll < 62) this.#change();
    else if (roll < 70) this.#remove(this.#somePath());
    else if (roll < 77) this.#rename();
    else if (roll < 84) this.#swapType();
    else if (roll < 92) this.#chmod();
    else this.#touch();
  }

  #abs(path: string): Buffer {
    return Buffer.from(`${this.root}/${path}`, 'latin1');
  }

  #paths(): [string, string][] {
    return [...readTree(this.root)].filter(([path]) => path !== '').map(([path, item]) => [path, item.kind]);
  }

  #somePath(kind?: string): string | undefined {
    const paths = this.#paths().filter(([, k]) => kind === undefined || k === kind);
    return paths.length === 0 ? undefined : this.#random.pick(paths)[0];
  }

  #directory(): string {
    const directories = [
      '',
      ...this.#paths()
        .filter(([path, kind]) => kind === 'dir' && path.split('/').length < 12)
        .map(([path]) => path),
    ];
    return this.#random.pick(directories);
  }

  #freshPath(): string {
    const directory = this.#directory();
    const name = this.#random.pick(names);
    return directory === '' ? name : `${directory}/${name}`;
  }

  #write(path: string): void {
    if (this.#isDirectory(path)) return;
    this.#remove(path);
    const size = this.#random.pick([0, 1, 100, 5000, 30_000, 200_000]);
    if (this.#random.chance(0.05)) {
      const fd = openSync(this.#abs(path), 'w');
      ftruncateSync(fd, 3_000_000);
      writeSync(fd, this.#random.bytes(5000), 0, 5000, 1_500_000);
      closeSync(fd);
    } else {
      // Repeats, so that chunks are shared and compression has something to do.
      writeFileSync(this.#abs(path), Buffer.alloc(size, this.#random.bytes(Math.max(1, Math.min(size, 997)))));
    }
  }

  #isDirectory(path: string): boolean {
    return existsSync(this.#abs(path)) && lstatSync(this.#abs(path)).isDirectory();
  }

  #exists(path: string): boolean {
    return lstatSync(this.#abs(path), { throwIfNoEntry: false }) !== undefined;
  }

  #mkdir(path: string): void {
    if (!this.#exists(path)) mkdirSync(this.#abs(path));
  }

  #symlink(path: string): void {
    if (this.#exists(path)) return;
    symlinkSync(
      Buffer.from(this.#random.pick(['a', '../b', '/etc/passwd', 'nowhere', 'bad\xff', '.']), 'latin1'),
      this.#abs(path),
    );
  }

  #hardlink(): void {
    const from = this.#somePath('file');
    const to = this.#freshPath();
    if (this.#hardlinks && from !== undefined && !this.#exists(to)) linkSync(this.#abs(from), this.#abs(to));
  }

  #change(): void {
    const path = this.#somePath('file');
    if (path === undefined) return;
    const where = this.#abs(path);
    const bytes = readFileSync(where);
    if (bytes.length === 0 || this.#random.chance(0.3)) {
      appendFileSync(where, this.#random.bytes(50));
      return;
    }
    const at = this.#random.below(bytes.length);
    if (this.#random.chance(0.5)) {
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      writeFileSync(where, bytes);
    } else {
      writeFileSync(where, Buffer.concat([bytes.subarray(0, at), this.#random.bytes(10), bytes.subarray(at)]));
    }
  }

  #remove(path: string | undefined): void {
    if (path !== undefined) rmSync(this.#abs(path), { recursive: true, force: true });
  }

  #rename(): void {
    const from = this.#somePath();
    const to = this.#freshPath();
    if (from === undefined || this.#exists(to) || to.startsWith(`${from}/`) || to === from) return;
    renameSync(this.#abs(from), this.#abs(to));
  }

  #swapType(): void {
    const path = this.#somePath();
    if (path === undefined) return;
    this.#remove(path);
    this.#random.pick([() => this.#write(path), () => this.#mkdir(path), () => this.#symlink(path)])();
  }

  #chmod(): void {
    const path = this.#somePath();
    if (path === undefined) return;
    const kind = lstatSync(this.#abs(path));
    if (kind.isDirectory()) chmodSync(this.#abs(path), this.#random.pick([0o755, 0o700, 0o777, 0o1777, 0o2755]));
    else if (kind.isFile())
      chmodSync(this.#abs(path), this.#random.pick([0o644, 0o600, 0o755, 0o400, 0o444, 0o4755, 0o2755, 0o7777]));
  }

  #touch(): void {
    const path = this.#somePath();
    if (path !== undefined)
      setPathMtime(
        this.#abs(path),
        this.#random.pick([0, 1, 1_700_000_000, -5, 4_000_000_000]),
        this.#random.below(1_000_000_000),
      );
  }
}
