import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClusterQueue } from '../../../controller/jobs/cluster-queue.ts';
import { Job } from '../../../controller/jobs/job.ts';
import type { JobRecord } from '../../../controller/jobs/job-record.ts';
import { LineCutter } from '../../../controller/jobs/line-cutter.ts';

describe('lines of a job', () => {
  test('are whole, wherever the stream is cut, and none is lost', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(20), { maxLength: 30 }), (text, cuts) => {
        const got: string[] = [];
        const cutter = new LineCutter((lines) => got.push(lines));
        const bytes = Buffer.from(text);
        let at = 0;
        for (const length of cuts) {
          cutter.push(bytes.subarray(at, at + length));
          at += length;
        }
        cutter.push(bytes.subarray(at));
        cutter.end();
        expect(got.every((lines) => lines.endsWith('\n'))).toBe(true);
        expect(got.join('')).toBe(text === '' || text.endsWith('\n') ? text : `${text}\n`);
      }),
    );
  });

  test('that never end are passed on in pieces', () => {
    const got: string[] = [];
    const cutter = new LineCutter((lines) => got.push(lines));
    for (let n = 0; n < 10; n += 1) cutter.push(Buffer.alloc(20_000, 'x'));
    expect(got.length).toBe(3);
    cutter.end();
    expect(got.join('').replaceAll('\n', '').length).toBe(200_000);
  });
});

describe('the queue of a cluster', () => {
  const never = new AbortController().signal;

  test('gives turns in order, one at a time', async () => {
    const queue = new ClusterQueue();
    const order: number[] = [];
    const first = await queue.turn(never);
    const waiting = [1, 2].map(async (n) => {
      const turn = await queue.turn(never);
      order.push(n);
      turn.end();
    });
    expect([queue.length, order]).toEqual([3, []]);
    first.end();
    first.end();
    await Promise.all(waiting);
    expect([queue.length, order]).toEqual([0, [1, 2]]);
  });

  test('a place that is given up does not hold up those behind', async () => {
    const queue = new ClusterQueue();
    const first = await queue.turn(never);
    const abort = new AbortController();
    const second = queue.turn(abort.signal);
    const third = queue.turn(never);
    abort.abort();
    await expect(second).rejects.toMatchObject({ code: 'cancelled' });
    first.end();
    (await third).end();
    expect(queue.length).toBe(0);
  });

  test('a turn that was given away ends only with its new owner', async () => {
    const queue = new ClusterQueue();
    const turn = await queue.turn(never);
    turn.give();
    turn.endUnlessGiven();
    expect(queue.length).toBe(1);
    turn.end();
    expect(queue.length).toBe(0);
  });
});

test('who waits for a job hears of every change', async () => {
  const record: JobRecord = {
    version: 1,
    number: 1,
    id: 'c-1',
    name: 'x',
    state: 'INIT',
    nodes: ['head'],
    setupNodes: ['head'],
    envs: [],
    hasSecrets: false,
    submittedAt: 0,
    exitCodes: [],
  };
  const job = new Job(record);
  const ended = job.when((one) => one.ended, new AbortController().signal);
  job.start('run');
  job.update({ state: 'RUNNING' });
  job.update({ state: 'SUCCEEDED', exitCodes: [0] });
  await ended;
  expect([job.hasStarted('run'), job.record.exitCodes]).toEqual([true, [0]]);
});
