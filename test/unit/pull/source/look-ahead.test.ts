/** When a source is looked at although nobody asks. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LookAhead } from '../../../../protocol/pull/source/look-ahead.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Looks that take `ms` each; when they began. */
function looksOf(ms: number): { readonly ahead: LookAhead; readonly began: number[] } {
  const began: number[] = [];
  const start = performance.now();
  const ahead = new LookAhead(async () => {
    began.push(performance.now() - start);
    await new Promise<void>((resolve) => void setTimeout(resolve, ms));
    return ms;
  });
  return { ahead, began };
}

test('at once, the first time', async () => {
  const { ahead, began } = looksOf(50);
  ahead.quiet();
  await vi.advanceTimersByTimeAsync(1);
  expect(began).toEqual([0]);
});

test('for a tenth of the time at most, however often it comes to rest', async () => {
  const { ahead, began } = looksOf(100);
  for (let at = 0; at < 60; at += 1) {
    ahead.quiet();
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(began.length).toBe(6);
  for (const [at, ms] of began.entries()) if (at > 0) expect(ms - (began[at - 1] ?? 0)).toBeGreaterThanOrEqual(1100);
});

test('what changed during a look is looked at after it', async () => {
  const { ahead, began } = looksOf(100);
  ahead.quiet();
  await vi.advanceTimersByTimeAsync(50);
  ahead.quiet();
  await vi.advanceTimersByTimeAsync(1049);
  expect(began.length).toBe(1);
  await vi.advanceTimersByTimeAsync(10);
  expect(began.length).toBe(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(began.length).toBe(2);
});

test('not any more when it was closed', async () => {
  const { ahead, began } = looksOf(1);
  ahead.quiet();
  ahead[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(began).toEqual([]);
});

test('nor when it was closed during a look', async () => {
  const { ahead, began } = looksOf(100);
  ahead.quiet();
  await vi.advanceTimersByTimeAsync(50);
  ahead.quiet();
  ahead[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(began.length).toBe(1);
});
