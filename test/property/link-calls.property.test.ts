/**
 * Any number of calls at once, which stream, fail, hang, heed their cancellation or do not, are cancelled at any moment,
 * on a link that may be cut at any moment: every call settles once, as its handler ended or as cancelled or as lost; what
 * streams arrives whole and in order; and while the link is there nothing of one call disturbs another.
 */
import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import type { Handlers } from '../../protocol/link/link.ts';
import { codeOf } from '../helpers/code-of.ts';
import { linkPair, type TestMethods } from '../helpers/link-pair.ts';

interface Plan {
  readonly frames: number;
  readonly bytes: number;
  readonly windowBytes: number;
  readonly end: 'result' | 'error' | 'on-cancel' | 'late';
  /** Turns of the event loop that taking a frame takes. */
  readonly slowness: number;
  /** Turns after which the caller gives up. */
  readonly cancelAfter: number | undefined;
  readonly fromAgent: boolean;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  frames: fc.nat(12),
  bytes: fc.oneof(fc.nat(3), fc.nat(100_000)),
  windowBytes: fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 200_000 })),
  end: fc.constantFrom('result', 'error', 'late', 'on-cancel'),
  slowness: fc.nat(3),
  cancelAfter: fc.option(fc.nat(30), { nil: undefined }),
  fromAgent: fc.boolean(),
});

/** What a frame holds says which call's and which one it is. */
function frameOf(at: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, at + 1);
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await setImmediate();
}

const ends: readonly Plan['end'][] = ['result', 'error', 'late', 'on-cancel'];

/** How a call is to end travels in the number of its frames: `testMethods` have no field for it. */
const handlers: Handlers<TestMethods> = {
  echo: async ({ text }) => ({ text }),
  hang: async () => ({}),
  pour: async ({ frames: coded, bytes }, { send, signal }) => {
    const end = ends[coded % 4];
    for (let at = 0; at < Math.floor(coded / 4); at += 1) await send(frameOf(at, bytes));
    if (end === 'error') throw new TowError('no-space', 'as planned');
    if (end === 'on-cancel' && !signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    if (end === 'late') await turns(20);
    return {};
  },
};

/** How a call may end, if the link stays. */
function expected({ end, cancelAfter }: Plan): readonly string[] {
  const own = end === 'error' ? 'no-space' : 'no error';
  if (cancelAfter !== undefined) return end === 'on-cancel' ? ['cancelled'] : ['cancelled', own];
  return [own];
}

test('every call settles once, as it should, whatever the others do', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: 1, maxLength: 12 }),
      fc.option(fc.nat(60)),
      async (plans, cutAfter) => {
        await using pair = await linkPair({ handlers });
        // Hanging for ever is only ended by a cut or a cancel.
        const fair = plans.map((one) =>
          one.end === 'on-cancel' && one.cancelAfter === undefined && cutAfter === null
            ? { ...one, cancelAfter: 30 }
            : one,
        );
        const cut = async (): Promise<void> => {
          if (cutAfter === null) return;
          await turns(cutAfter);
          pair.sockets.agent.terminate();
        };
        const settled = fair.map(async (one) => {
          const abort = new AbortController();
          const got: Buffer[] = [];
          const onData = async (payload: Buffer): Promise<void> => {
            got.push(payload);
            await turns(one.slowness);
          };
          const link = one.fromAgent ? pair.agent : pair.controller;
          const params = { frames: one.frames * 4 + ends.indexOf(one.end), bytes: one.bytes };
          const outcome = codeOf(link.call('pour', params, { onData, windowBytes: one.windowBytes }, abort.signal));
          if (one.cancelAfter !== undefined) {
            await turns(one.cancelAfter);
            abort.abort();
          }
          const code = await outcome;
          expect([...expected(one), ...(cutAfter === null ? [] : ['link-lost'])]).toContain(code);
          const all = Array.from({ length: one.frames }, (_, at) => frameOf(at, one.bytes));
          if (code === 'no error') expect(got.length).toBe(one.frames);
          got.forEach((payload, at) => expect(payload.equals(all[at] ?? Buffer.alloc(0))).toBe(true));
        });
        await Promise.all([cut(), ...settled]);
        if (cutAfter === null)
          expect((await pair.agent.call('echo', { text: 'alive' }, {}, new AbortController().signal)).text).toBe(
            'alive',
          );
      },
    ),
    { numRuns: 150 },
  );
});
