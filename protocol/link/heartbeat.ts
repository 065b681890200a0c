import type { Clock } from '../base/clock.ts';

export interface HeartbeatPorts {
  /** Sends a ping; whatever it carries comes back in the pong. */
  ping(stamp: number): void;
  dead(silentMs: number): void;
}

export const pingEveryMs = 5000;
/** The first pings: both ends are busy as a link begins, and one round trip would say so, not how far they are apart. */
const firstGapsMs = [10, 10, 230, 250, pingEveryMs - 500];
/** Of those that follow one another at once: what they say together is believed. */
const firstPongs = 3;
export const deadAfterMs = 20_000;
/** Round trips kept: one taken while either end was busy says little of the link. */
const kept = 8;
/** A timer this late says that our own event loop stood still (or the machine slept), not that the peer did. */
const ownLagMs = 2000;

/** Asks a peer for a sign of life; any message is one. Runs from construction until `stop`. */
export class Heartbeat {
  readonly #ports: HeartbeatPorts;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #heardAt: number;
  readonly #roundTripsMs: number[] = [];
  /** Resolves when some round trips were taken, or with `stop`. */
  readonly measured: Promise<void>;
  #measured: () => void = () => undefined;

  constructor(ports: HeartbeatPorts, clock: Clock) {
    this.#ports = ports;
    this.#clock = clock;
    this.#heardAt = clock.now();
    this.measured = new Promise((resolve) => {
      this.#measured = resolve;
    });
    // Sleep rejects when the heartbeat is stopped, and in no other case.
    this.#run().catch(() => undefined);
  }

  /** The shortest of the last round trips, in milliseconds. */
  get roundTripMs(): number | undefined {
    return this.#roundTripsMs.length === 0 ? undefined : Math.min(...this.#roundTripsMs);
  }

  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  pong(stamp: number): void {
    const took = this.#clock.now() - stamp;
    if (took < 0 || took >= deadAfterMs) return;
    this.#roundTripsMs.push(took);
    if (this.#roundTripsMs.length > kept) this.#roundTripsMs.shift();
    if (this.#roundTripsMs.length >= firstPongs) this.#measured();
  }

  stop(): void {
    this.#stop.abort();
    this.#measured();
  }

  async #run(): Promise<void> {
    for (let pings = 0; ; pings += 1) {
      const sleptAt = this.#clock.now();
      this.#ports.ping(sleptAt);
      await this.#clock.sleep(firstGapsMs[pings] ?? pingEveryMs, this.#stop.signal);
      const now = this.#clock.now();
      const slept = now - sleptAt;
      // What the peer sent meanwhile still waits to be read; a clock that was put back says nothing either.
      if (slept > pingEveryMs + ownLagMs || slept < 0) this.heard();
      const silentMs = now - this.#heardAt;
      if (silentMs >= deadAfterMs) {
        this.#ports.dead(silentMs);
        return;
      }
    }
  }
}
