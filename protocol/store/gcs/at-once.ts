import { throwIfAborted } from '../../base/abort.ts';
import { TaskGroup } from '../../base/task-group.ts';

/** Runs `task` for each item, some at once. After the first failure none is begun; rejects with it when all have ended. */
export async function eachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  task: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const group = new TaskGroup(signal);
  const queue = items.values();
  for (let n = 0; n < Math.min(atOnce, items.length); n += 1) {
    group.run(async (groupSignal) => {
      for (let next = queue.next(); next.done !== true; next = queue.next()) {
        throwIfAborted(groupSignal);
        await task(next.value, groupSignal);
      }
    });
  }
  await group.wait();
}
