/** A program: `print-snapshot ROOT INDEX` scans ROOT and prints kinds and problems; its own worker thread, too. */
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { bytesOf, joinPath } from '../../protocol/base/root-path.ts';
import { WorkerPool } from '../../protocol/base/worker-pool.ts';
import { Source } from '../../protocol/pull/source/source.ts';
import type { SourceTasks } from '../../protocol/pull/source/tasks.ts';
import { serveSourceWorker } from '../../protocol/pull/source/worker.ts';

if (isMainThread) {
  const [root = '', indexFile = ''] = process.argv.slice(2);
  const pool = new WorkerPool<SourceTasks>(fileURLToPath(import.meta.url), 'source', 1);
  const options = { root: bytesOf(root), indexFile, sendGit: true, home: '/', xdgConfigHome: undefined, pool };
  const source = Source.open(options);
  const { manifest, problems } = await source.snapshot({ verify: false }, new AbortController().signal);
  const kinds = [...manifest.directories.values()].flatMap(({ path, entries }) =>
    entries.map(({ name, kind }) => [joinPath(path, name), kind]),
  );
  const named = problems.map(({ path, code }) => [path, code]).sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  process.stdout.write(JSON.stringify({ kinds: Object.fromEntries(kinds), problems: named }));
  await source.close();
  await pool.close();
} else serveSourceWorker();
