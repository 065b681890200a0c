/** `source-thread.mjs`: the bundle of the daemon's source threads, a tenth of its own, for each of them loads it anew. */
import { serveSourceWorker } from '../../protocol/pull/source/worker.ts';

serveSourceWorker();
