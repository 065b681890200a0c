import { expect, test } from 'vitest';
import { collectGarbage } from '../../../protocol/base/collect-garbage.ts';

test('what nothing holds is freed, again and again', async () => {
  for (let time = 0; time < 3; time += 1) {
    const held = { bytes: new Uint8Array(1000) };
    const [weak, weakHeld] = [new WeakRef({ bytes: new Uint8Array(1000) }), new WeakRef(held)];
    // A WeakRef that was just made holds until the turn is over.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(weak.deref()).toBeUndefined();
    expect(weakHeld.deref()).toBe(held);
  }
});
