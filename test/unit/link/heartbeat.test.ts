import { expect, test } from 'vitest';
import { deadAfterMs, Heartbeat, pingEveryMs } from '../../../protocol/link/heartbeat.ts';
import { VirtualClock } from '../../helpers/virtual-clock.ts';

function beating() {
  const clock = new VirtualClock();
  const pings: number[] = [];
  const dead: number[] = [];
  const heartbeat = new Heartbeat(
    { ping: (stamp) => pings.push(stamp), dead: (silentMs) => dead.push(silentMs) },
    clock,
  );
  return { clock, pings, dead, heartbeat };
}

test('pings at once, some times soon after and every 5 s, and gives up after 20 s of silence, once', async () => {
  const { clock, pings, dead } = beating();
  await clock.advance(deadAfterMs - 1);
  expect([pings.length, dead]).toEqual([8, []]);
  await clock.advance(1);
  expect(dead).toEqual([20_000]);
  await clock.advance(60_000);
  expect([pings.length, dead.length, clock.sleeping]).toEqual([8, 1, 0]);
});

test('any message is a sign of life', async () => {
  const { clock, dead, heartbeat } = beating();
  for (let n = 0; n < 10; n += 1) {
    await clock.advance(deadAfterMs - 1000);
    heartbeat.heard();
  }
  expect(dead).toEqual([]);
  heartbeat.stop();
});

test('while our own event loop stands still, nobody is given up', async () => {
  const { clock, dead, heartbeat } = beating();
  for (let n = 0; n < 10; n += 1) {
    clock.stall(deadAfterMs * 10);
    await clock.advance(0);
  }
  expect(dead).toEqual([]);
  await clock.advance(deadAfterMs);
  expect(dead).toEqual([20_000]);
  heartbeat.stop();
});

test('a clock that is put back neither kills nor keeps alive for ever', async () => {
  const { clock, dead, heartbeat } = beating();
  await clock.advance(pingEveryMs * 2);
  clock.putBack(1_000_000);
  await clock.advance(deadAfterMs);
  expect(dead.length).toBe(0);
  await clock.advance(pingEveryMs);
  expect(dead.length).toBe(1);
  heartbeat.stop();
});

test('the round trip is the shortest of the last pongs; one that was never pinged for is none', async () => {
  const { clock, pings, heartbeat } = beating();
  expect(heartbeat.roundTripMs).toBeUndefined();
  await clock.advance(30);
  heartbeat.pong(pings[0] ?? 0);
  expect(heartbeat.roundTripMs).toBe(30);
  heartbeat.pong(0);
  heartbeat.pong(clock.now() + 5);
  expect(heartbeat.roundTripMs).toBe(30);
  heartbeat.pong(clock.now() - 10);
  heartbeat.pong(clock.now() - 70);
  expect(heartbeat.roundTripMs).toBe(10);
  for (let n = 0; n < 8; n += 1) heartbeat.pong(clock.now() - 50);
  expect(heartbeat.roundTripMs).toBe(50);
  heartbeat.stop();
});

test('it is measured with the third round trip, which come soon, or when it ends', async () => {
  const { clock, pings, heartbeat } = beating();
  let measured = 0;
  const wait = heartbeat.measured.then(() => {
    measured += 1;
  });
  await clock.advance(20);
  expect(pings.length).toBe(3);
  for (const stamp of pings.slice(0, 2)) heartbeat.pong(stamp);
  await clock.advance(1);
  expect([measured, heartbeat.roundTripMs]).toEqual([0, 10]);
  heartbeat.pong(pings[2] ?? 0);
  await wait;
  expect([measured, heartbeat.roundTripMs]).toEqual([1, 1]);
  heartbeat.stop();
  const other = beating().heartbeat;
  other.stop();
  await other.measured;
});

test('stop ends it', async () => {
  const { clock, pings, dead, heartbeat } = beating();
  heartbeat.stop();
  await clock.advance(100_000);
  expect([pings.length, dead.length, clock.sleeping]).toEqual([1, 0, 0]);
});
