/** Random edits of a source tree, for properties: few names, so that they meet. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { noise } from './noise.ts';

const names = ['a', 'a-', 'a.b', 'b', 'c'];
const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
export const treeEdit = fc.oneof(
  fc.record({ type: fc.constant('write'), path, seed: fc.nat(99), length: fc.nat(20_000) }),
  fc.record({
    type: fc.constantFrom('mkdir', 'remove', 'touch', 'chmod', 'cut', 'symlink', 'rules'),
    path,
    seed: fc.nat(99),
    length: fc.nat(99),
  }),
  fc.record({ type: fc.constantFrom('rename', 'link', 'swap'), path, to: path, seed: fc.nat(99), length: fc.nat(99) }),
);
export type TreeEdit = {
  readonly type: string;
  readonly path: string;
  readonly to?: string;
  readonly seed: number;
  readonly length: number;
};

/** Does what it can; an edit that the tree does not allow is none. */
export function applyEdit(root: string, { type, path: at, to, seed, length }: TreeEdit): void {
  const full = join(root, at);
  const other = join(root, to ?? 'a');
  const isFile = existsSync(full) && lstatSync(full).isFile();
  try {
    if (type === 'write') {
      mkdirSync(join(full, '..'), { recursive: true });
      writeFileSync(full, noise(seed, length));
    } else if (type === 'mkdir') mkdirSync(full, { recursive: true });
    else if (type === 'remove') rmSync(full, { recursive: true, force: true });
    else if (type === 'touch') utimesSync(full, seed, seed + 0.25);
    else if (type === 'chmod') chmodSync(full, 0o700 + (seed % 64));
    else if (type === 'cut' && isFile) truncateSync(full, length);
    else if (type === 'symlink') symlinkSync(`../${seed}`, full);
    else if (type === 'rename') renameSync(full, other);
    else if (type === 'rules') {
      mkdirSync(full, { recursive: true });
      writeFileSync(join(full, '.gitignore'), `${names[seed % names.length]}\n${seed % 3 === 0 ? '!a' : '/b'}\n`);
    } else if (type === 'link') linkSync(full, other);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}
