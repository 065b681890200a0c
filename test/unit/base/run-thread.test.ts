/** A thread for one request: however it ends, it is gone when the call returns. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TowError } from '../../../protocol/base/errors.ts';
import { runThread } from '../../../protocol/base/run-thread.ts';
import { codeOf } from '../../helpers/code-of.ts';
import { never } from '../../helpers/link-pair.ts';

interface Said {
  readonly type: 'said';
  readonly text: string;
}

let top = '';
let script = '';
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), 'run-thread-'));
  script = join(top, 'thread.mjs');
  writeFileSync(
    script,
    `import { parentPort, workerData } from 'node:worker_threads';
    const say = (text) => parentPort.postMessage({ type: 'said', text });
    switch (workerData.role) {
      case 'answers':
        say('one');
        parentPort.once('message', (text) => parentPort.postMessage({ type: 'done', result: text + process.env.ONLY }));
        break;
      case 'fails':
        parentPort.postMessage({ type: 'failed', error: { message: 'no', code: 'no-space', hint: 'room', retryable: false } });
        break;
      case 'throws':
        throw new Error('a mistake');
      case 'ends':
        process.exit(0);
      case 'waits':
        say('waiting');
        setInterval(() => undefined, 1000);
    }`,
  );
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

test('what it says before its result is handled and answered, in an environment of its own', async () => {
  const onMessage = ({ text }: Said, worker: { postMessage(value: unknown): void }): void =>
    worker.postMessage(`${text}, `);
  const workerData = { role: 'answers' };
  const env = { ONLY: 'two' };
  expect(await runThread<Said, string>({ script, workerData, env, onMessage }, never)).toBe('one, two');
});

test('its errors keep their code; what ends without a word is a mistake of ours', async () => {
  const run = async (role: string) => await runThread<Said, never>({ script, workerData: { role } }, never);
  await expect(run('fails')).rejects.toMatchObject({ code: 'no-space', hint: 'room' });
  await expect(run('throws')).rejects.toThrow('a mistake');
  await expect(run('ends')).rejects.toMatchObject({ code: 'internal' });
});

test('an abort, or a message that cannot be handled, ends it; what handles one is waited for', async () => {
  const workerData = { role: 'waits' };
  const abort = new AbortController();
  let handled = 0;
  const slow = async (): Promise<void> => {
    abort.abort(new TowError('link-lost', 'gone'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    handled += 1;
  };
  expect(await codeOf(runThread<Said, never>({ script, workerData, onMessage: slow }, abort.signal))).toBe('link-lost');
  expect(handled).toBe(1);
  const fails = (): void => {
    throw new TowError('no-space', 'full');
  };
  expect(await codeOf(runThread<Said, never>({ script, workerData, onMessage: fails }, never))).toBe('no-space');
  expect(await codeOf(runThread<Said, never>({ script, workerData }, AbortSignal.abort()))).toBe('cancelled');
});
