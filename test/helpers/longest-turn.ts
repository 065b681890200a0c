/** How long the event loop of this thread is held at once: by its processor time, so that a busy machine does not count. */
import koffi from 'koffi';

const clockGettime = koffi.load('libc.so.6').func('int clock_gettime(int, _Out_ int64_t *)');
const threadCpuClock = 3;

function cpuMs(): number {
  const time: [bigint | number, bigint | number] = [0, 0];
  clockGettime(threadCpuClock, time);
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
}

/** Milliseconds of the longest turn while `work` is under way. Collecting garbage counts as much as anything. */
export async function longestTurnMs(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = cpuMs();
  let over = false;
  const tick = (): void => {
    longest = Math.max(longest, cpuMs() - last);
    last = cpuMs();
    if (!over) setImmediate(tick);
  };
  setImmediate(tick);
  await work();
  over = true;
  await new Promise((resolve) => setImmediate(resolve));
  return longest;
}
