import { expect, test } from 'vitest';
import { SendGate } from '../../../protocol/link/send-gate.ts';

/** Which of the entries were let in so far. */
async function letIn(entries: readonly Promise<boolean>[]): Promise<readonly (boolean | undefined)[]> {
  const results: (boolean | undefined)[] = entries.map(() => undefined);
  entries.forEach((entry, at) => void entry.then((allowed) => (results[at] = allowed)));
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
  return results;
}

test('lets in what fits, the rest in its order as the first leave', async () => {
  const gate = new SendGate(100);
  const entries = [60, 60, 30, 10].map((bytes) => gate.enter(bytes));
  // 30 would fit, but not before its turn.
  expect(await letIn(entries)).toEqual([true, undefined, undefined, undefined]);
  gate.leave(60);
  expect(await letIn(entries)).toEqual([true, true, true, true]);
});

test('lets in one that is too long when it is alone', async () => {
  const gate = new SendGate(100);
  const entries = [500, 1].map((bytes) => gate.enter(bytes));
  expect(await letIn(entries)).toEqual([true, undefined]);
  gate.leave(500);
  expect(await letIn(entries)).toEqual([true, true]);
});

test('closed, it turns away who waits and who comes', async () => {
  const gate = new SendGate(100);
  const entries = [100, 100, 100].map((bytes) => gate.enter(bytes));
  gate.close();
  expect(await letIn([...entries, gate.enter(1)])).toEqual([true, false, false, false]);
  gate.leave(100);
});
