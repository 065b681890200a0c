export interface HeartbeatPorts {
  ping(stamp: number): void;
  dead(silentMs: number): void;
}

export const pingEveryMs = 5000;
export const deadAfterMs = 20_000;
/** A timer this late says that our own event loop stood still, not that the peer did. */
const ownLagMs = 2000;

/** Asks a silent peer for a sign of life; any message is one. */
export class Heartbeat {
  readonly #ports: HeartbeatPorts;
  readonly #timer: NodeJS.Timeout;
  #heardAt = performance.now();
  #tickedAt = performance.now();
  #roundTripMs: number | undefined;

  constructor(ports: HeartbeatPorts) {
    this.#ports = ports;
    this.#timer = setInterval(() => this.#tick(), pingEveryMs);
    this.#timer.unref();
    ports.ping(Math.round(performance.now()));
  }

  /** Round trip of the last answered ping, in milliseconds. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  pong(stamp: number): void {
    const took = performance.now() - stamp;
    if (took >= -1 && took < deadAfterMs) this.#roundTripMs = Math.max(0, took);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#tickedAt > pingEveryMs + ownLagMs) this.#heardAt = now;
    this.#tickedAt = now;
    if (now - this.#heardAt >= deadAfterMs) this.#ports.dead(now - this.#heardAt);
    else this.#ports.ping(Math.round(now));
  }
}
