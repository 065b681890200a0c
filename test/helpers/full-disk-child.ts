/** Runs on a small disk of its own (test/fault/copy-disk-full.test.ts): copies that run into its end. Tells how each went. */
import { readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TowError } from '../../protocol/base/errors.ts';
import { CopyBench } from './copy-bench.ts';
import { MemoryStore } from './memory-store.ts';

const mib = 1 << 20;
const [, , above = ''] = process.argv;

/** What became of a run: its error's code, the gets it made, and whether the files are right now. */
interface Told {
  readonly what: string;
  readonly code: string;
  readonly gets: number;
  readonly conflicts: number;
  readonly right: boolean;
}

async function tell(what: string, bench: CopyBench): Promise<Told> {
  const { store } = bench;
  store.calls.splice(0);
  let conflicts = 0;
  const code = await bench.run().then(
    (result) => {
      conflicts = result.conflicts.length;
      return 'none';
    },
    (error: unknown) => (error instanceof TowError ? error.code : String(error)),
  );
  const right = store.keys().every((key) => isRight(bench, key));
  return { what, code, gets: store.count('get'), conflicts, right };
}

function isRight(bench: CopyBench, key: string): boolean {
  try {
    return readFileSync(bench.at(key)).equals(bench.store.bytesOf(key));
  } catch {
    return false;
  }
}

/** Takes all room that is left. */
function fill(): void {
  const { bavail, bsize } = statfsSync(above);
  writeFileSync(join(above, 'filler'), Buffer.alloc(bavail * bsize));
}

async function small(): Promise<Told[]> {
  using bench = new CopyBench(new MemoryStore(), above);
  for (let n = 0; n < 400; n += 1) bench.store.set(`d/${n}`, Buffer.alloc(20_000, n), { parts: true });
  let gets = 0;
  bench.store.before = ({ method }) => {
    if (method === 'get' && (gets += 1) === 250) fill();
  };
  const full = await tell('small objects, the disk fills up', bench);
  rmSync(join(above, 'filler'));
  return [full, await tell('small objects, with room', bench)];
}

/** At its very end, when the others are whole. */
const lastBreaks: MemoryStore['breakAt'] = ({ start }) => (start === 16 * mib ? 8 * mib : undefined);

async function large(): Promise<Told[]> {
  using bench = new CopyBench(new MemoryStore(), above);
  bench.store.set('large', Buffer.alloc(24 * mib, 1), { parts: true });
  bench.store.breakAt = lastBreaks;
  const told = [await tell('a large object, all but its last range', bench)];
  bench.store.breakAt = () => undefined;
  told.push(await tell('a large object, that has not room twice', bench));
  bench.store.set('large', Buffer.alloc(24 * mib, 2), { parts: true });
  told.push(await tell('a version of it, for which there is no room beside the old one', bench));
  rmSync(bench.at('large'));
  bench.store.breakAt = lastBreaks;
  told.push(await tell('a version of it, all but its last range', bench));
  bench.store.breakAt = () => undefined;
  bench.store.set('large', Buffer.alloc(24 * mib, 3), { parts: true });
  told.push(await tell('another version, with the first ranges of the last in the stage', bench));
  return told;
}

process.stdout.write(JSON.stringify([...(await small()), ...(await large())]));
