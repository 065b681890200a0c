import { expect, test } from 'vitest';
import type { ApiEvent } from '../../../controller/api/event.ts';
import { partialSource } from '../../../controller/sync/partial-source.ts';
import { onNode, reportNode } from '../../../controller/sync/report-node.ts';
import { TowError } from '../../../protocol/base/errors.ts';
import { codeOf } from '../../helpers/code-of.ts';

const unsafe = (n: number) => ({
  path: '',
  code: 'unsafe-key' as const,
  message: `the key "../${n}" cannot be a path`,
});

function report(problems: Parameters<typeof reportNode>[2], allowPartial: boolean): string[] {
  const events: ApiEvent[] = [];
  const emit = (event: ApiEvent): void => void events.push(event);
  reportNode({ name: 'head' }, { name: '~/x' }, problems, { allowPartial, emit });
  return events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
}

test('keys that are no paths are named without one; those that are not shown are counted', () => {
  const problems = [...Array(11).keys()].map(unsafe);
  const texts = report({ problems, problemCount: 30, conflicts: [], conflictCount: 0 }, true);
  expect(texts).toHaveLength(11);
  expect([texts[0], texts.at(-1)]).toEqual(['head: ~/x: the key "../0" cannot be a path', 'head: ~/x: and 20 more']);
});

test('the error names the first, and what is to be done where the bucket is at fault', async () => {
  const problems = [unsafe(1), { path: 'a/b', code: 'io' as const, message: 'EIO' }];
  const refused = async (first: number): Promise<unknown> =>
    await codeOf(
      Promise.resolve().then(() => report({ problems: problems.slice(first), conflicts: [], conflictCount: 0 }, false)),
    );
  expect([await refused(0), await refused(1)]).toEqual(['unsafe-key', 'io']);
  expect(() => report({ problems, conflicts: [], conflictCount: 0 }, false)).toThrow(
    expect.objectContaining({
      message: 'head: ~/x: 2 of its paths could not be put in place, the first: the key "../1" cannot be a path',
      hint: expect.stringContaining('rename the objects'),
    }),
  );
  expect(() => report({ problems: problems.slice(1), conflicts: [], conflictCount: 0 }, false)).toThrow(
    'the first: a/b: EIO',
  );
});

test('files whose names no bucket takes are not called unreadable', () => {
  const problem = { path: 'a\\n', code: 'unsafe-key' as const, message: 'no key' };
  const named = partialSource('data', [problem]);
  expect([named.message, named.hint]).toEqual([
    'data: 1 of its paths cannot be objects of a bucket, the first is a\\n',
    expect.stringMatching(/^rename them/),
  ]);
  expect(partialSource('data', [problem, { ...problem, code: 'permission-denied' }]).message).toContain(
    'cannot be read',
  );
});

test('a full disk is said of the destination too: what was full is where content is staged', () => {
  const full = new TowError('no-space', 'no space on the node for /home/me/.towline/stage: 10 bytes needed, 1 free');
  expect(onNode({ name: 'head' }, { name: '~/x' }, full)).toMatchObject({
    code: 'no-space',
    message: 'head: ~/x: no space on the node for /home/me/.towline/stage: 10 bytes needed, 1 free',
  });
  expect(onNode({ name: 'head' }, { name: '~/x' }, new TowError('io', 'x'))).toMatchObject({ message: 'head: x' });
});
