/**
 * Sends the files of a scan to replicas that have nothing yet, as they are read: before there is a manifest, and without
 * reading them again. What a replica does not get in this way, because it is slow or came late, it asks for as ever.
 */
import { raceSignal } from '../../base/abort.ts';
import { packTargetBytes } from '../../chunk/pack.ts';
import { CompressionBeside, CompressionChoice, type FirstLevel } from './compression.ts';
import type { SendFrame } from './pack-sender.ts';
import type { CarriedPack, Carry } from './tasks.ts';

/**
 * Batches that are read, packed or waiting to be sent at one time, and of these, waiting for one replica: one that is slower
 * than another does without the rest.
 */
const batches = { packed: 6, plain: 3 };
/** How long a scan waits for the first answer of a replica; and how long it is held up while nothing gets through to one. The rest goes without. In ms. */
export interface Patience {
  readonly answerMs: number;
  readonly holdMs: number;
}
const usualPatience: Patience = { answerMs: 2000, holdMs: 60_000 };
const queued = { packed: 3, plain: 2 };
/** Headers that wait for one replica: of packs without a body, which name files that it has to make. Some 32 KiB each at most. */
const queuedHeaders = 256;
const noBody = new Uint8Array(0);

/**
 * What shrinks keeps the processors busy, what does not fills a slow link. They go best together: what shrinks first, and
 * the rest in between.
 */
export type Lane = 'packed' | 'plain';

const lanes = ['packed', 'plain'] as const;

interface Batch {
  readonly carry: Carry;
  readonly lane: Lane;
  readonly packs: readonly CarriedPack[];
  /** Replicas that have not sent it yet. */
  left: number;
}

type Waiting = (granted: boolean) => void;

class Receiver {
  /** Of packs without a body: they cost the link next to nothing, and the replica can begin to make what they name. */
  readonly headers: Uint8Array[] = [];
  readonly queues = { packed: [] as Batch[], plain: [] as Batch[] };
  /** Called when there is something to send, or nothing will be. */
  wake: () => void = () => undefined;

  get length(): number {
    return this.queues.packed.length + this.queues.plain.length;
  }
}

export class Advance {
  readonly #receivers = new Set<Receiver>();
  /** Memory that is used again. */
  readonly #free = { packed: [] as SharedArrayBuffer[], plain: [] as SharedArrayBuffer[] };
  readonly #waiting = { packed: [] as Waiting[], plain: [] as Waiting[] };
  /** What was given room, in which lane, and how many batches waited for the link then. */
  readonly #granted = new Map<SharedArrayBuffer, { readonly lane: Lane; readonly queue: number }>();
  /** Invites replicas when the scan turns out to have something for them. */
  #invite: (() => void) | undefined;
  /** Replicas that have not said yet whether they want anything. */
  #expected = 0;
  readonly #underWay = { packed: 0, plain: 0 };
  /** Batches that were given room and have not come yet. */
  readonly #coming = { packed: 0, plain: 0 };
  #fromGit = false;
  #choice: CompressionChoice | CompressionBeside | undefined;
  /** Batches sent. */
  #sentCount = 0;
  #ended = false;
  /** Whether a replica that has not answered is waited for. */
  #patient = true;
  /** Whether the scan was held up for long enough. */
  #over = false;
  readonly #timers: NodeJS.Timeout[] = [];
  #hold: NodeJS.Timeout | undefined;
  /** Whether somebody waits for the scan to end. */
  #hurried = false;
  readonly #patience: Patience;

  constructor(patience = usualPatience) {
    this.#patience = patience;
  }

  /**
   * From now on files are wanted; `invite` is called when the first of them are about to be read. `fromGit` is whether
   * the replicas can make files from git packs. Called once.
   */
  open(first: FirstLevel | undefined, invite: () => void, fromGit = false): void {
    this.#fromGit = fromGit;
    this.#choice = first === 'far' ? new CompressionBeside() : new CompressionChoice(first);
    this.#invite = invite;
  }

  /** A replica that is being asked. Exactly one of the two must be called in the end. */
  expect(): {
    readonly receive: (send: SendFrame, signal: AbortSignal) => Promise<void>;
    readonly decline: () => void;
  } {
    this.#expected += 1;
    let told = false;
    const tell = (): void => {
      if (!told) this.#expected -= 1;
      told = true;
      this.#next();
    };
    return {
      decline: tell,
      receive: async (send, signal) => {
        const receiver = new Receiver();
        this.#receivers.add(receiver);
        tell();
        try {
          await this.#sendAll(receiver, send, signal);
        } finally {
          this.#receivers.delete(receiver);
          for (const lane of lanes) for (const batch of receiver.queues[lane].splice(0)) this.#sent(batch);
          this.#next();
        }
      },
    };
  }

  /** Whether what git has packed is left to the replicas to make: on a slow link, where it costs less time than to send it again. */
  get fromGit(): boolean {
    return this.#fromGit && this.#choice instanceof CompressionBeside;
  }

  /** Bytes to read together; undefined when nobody wants files. */
  get batchBytes(): number | undefined {
    return this.#isWanted ? this.#choice?.packBytes : undefined;
  }

  get #isWanted(): boolean {
    if (this.#ended || this.#over) return false;
    return this.#invite !== undefined || this.#receivers.size > 0 || (this.#patient && this.#expected > 0);
  }

  /** From now on the scan is not held up for much longer, even if what is sent gets through. */
  hurry(): void {
    this.#hurried = true;
  }

  #progressed(): void {
    if (!this.#hurried) this.#hold?.refresh();
  }

  /** Waits until the next batch, of `bytes`, can be taken; undefined when nobody wants it. Whoever gets room gives it back by `take`. */
  async room(bytes: number, lane: Lane, signal: AbortSignal): Promise<Carry | undefined> {
    this.#begin();
    if (!this.#isWanted || this.#choice === undefined) return undefined;
    if (this.#hasRoom(lane) && this.#waiting[lane].length === 0) this.#grant(lane);
    else if (!(await raceSignal(new Promise<boolean>((resolve) => this.#waiting[lane].push(resolve)), signal)))
      return undefined;
    const queue = Math.min(...[...this.#receivers].map(({ length }) => length));
    const { quality, packBytes } = this.#choice;
    const room = Math.max(bytes, packBytes);
    const free = this.#free[lane];
    const fits = free.findIndex(({ byteLength }) => byteLength >= room);
    // What is too short goes, so that there is never more than is in use at one time.
    if (fits < 0) free.shift();
    const [into = new SharedArrayBuffer(room)] = fits < 0 ? [] : free.splice(fits, 1);
    this.#granted.set(into, { lane, queue });
    return { into, quality, maxBytes: packTargetBytes };
  }

  #begin(): void {
    const invite = this.#invite;
    if (invite === undefined) return;
    this.#invite = undefined;
    const after = (ms: number, then: () => void): NodeJS.Timeout => {
      const timer = setTimeout(then, ms).unref();
      this.#timers.push(timer);
      return timer;
    };
    after(this.#patience.answerMs, () => {
      this.#patient = false;
      this.#next();
    });
    this.#hold = after(this.#patience.holdMs, () => {
      this.#over = true;
      this.#next();
    });
    invite();
  }

  #hasRoom(lane: Lane): boolean {
    if (this.#underWay[lane] >= batches[lane]) return false;
    for (const { queues } of this.#receivers) if (queues[lane].length + this.#coming[lane] < queued[lane]) return true;
    return false;
  }

  #grant(lane: Lane): void {
    this.#underWay[lane] += 1;
    this.#coming[lane] += 1;
  }

  /** Lets those go on that wait for room, as far as there is some; all of them if nobody wants anything. */
  #next(): void {
    for (const lane of lanes) {
      const waiting = this.#waiting[lane];
      while (waiting.length > 0 && this.#hasRoom(lane)) {
        this.#grant(lane);
        waiting.shift()?.(true);
      }
      if (!this.#isWanted) for (const go of waiting.splice(0)) go(false);
    }
  }

  /** Gives a batch to the replicas. No packs: nothing came of it. */
  take(carry: Carry, packs: readonly CarriedPack[]): void {
    const { lane, queue: waited } = this.#granted.get(carry.into) ?? { lane: 'packed', queue: 0 };
    this.#granted.delete(carry.into);
    this.#progressed();
    this.#coming[lane] -= 1;
    const bodies = packs.filter(({ length }) => length > 0);
    const headers = packs.filter(({ length }) => length === 0).map(({ header }) => header);
    // What is only named costs the link nothing, and says nothing of it.
    const tells = bodies.length > 0 && lane === 'packed' && this.#sentCount >= batches.packed;
    if (tells && this.#choice instanceof CompressionBeside) this.#choice.begun(waited);
    const batch = { carry, packs: bodies, lane, left: 1 };
    for (const receiver of this.#receivers) {
      const queue = receiver.queues[lane];
      receiver.headers.push(...headers.slice(0, queuedHeaders - receiver.headers.length));
      receiver.wake();
      if (bodies.length === 0 || queue.length >= queued[lane]) continue;
      batch.left += 1;
      queue.push(batch);
    }
    this.#sent(batch);
  }

  #sent(batch: Batch): void {
    batch.left -= 1;
    // A replica has room for another one, even if one that is slower has not.
    if (batch.left > 0) return this.#next();
    this.#underWay[batch.lane] -= 1;
    if (!this.#ended) this.#free[batch.lane].push(batch.carry.into);
    const rawBytes = batch.packs.reduce((sum, pack) => sum + pack.rawBytes, 0);
    const bytes = batch.packs.reduce((sum, pack) => sum + pack.length, 0);
    if (batch.packs.length > 0) this.#sentCount += 1;
    if (this.#choice instanceof CompressionChoice) this.#choice.sent(rawBytes, batch.carry.quality, bytes < rawBytes);
    this.#next();
  }

  async #sendAll(receiver: Receiver, send: SendFrame, signal: AbortSignal): Promise<void> {
    for (;;) {
      const header = receiver.headers.shift();
      if (header !== undefined) {
        await send(header, noBody);
        this.#progressed();
        continue;
      }
      const { packed, plain } = receiver.queues;
      const queue = packed.length > 0 ? packed : plain;
      const batch = queue[0];
      if (batch === undefined) {
        if (this.#ended) return;
        await raceSignal(new Promise<void>((resolve) => void (receiver.wake = resolve)), signal);
        continue;
      }
      for (const { header, from, length } of batch.packs) {
        await send(header, new Uint8Array(batch.carry.into, from, length));
        this.#progressed();
      }
      queue.shift();
      this.#sent(batch);
    }
  }

  /** Nothing more will come: replicas are done when they have what waits for them. */
  end(): void {
    this.#ended = true;
    this.#invite = undefined;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const lane of lanes) this.#free[lane].length = 0;
    for (const receiver of this.#receivers) receiver.wake();
    this.#next();
  }
}
