export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number | undefined;
}

/** Milliseconds before their end at which newer keys are asked for, and between two such questions. */
const aheadMs = 300_000;
const askAgainMs = 30_000;

/** The keys of one bucket, newer ones in time, and when the service says that they have ended. */
export class S3Credentials {
  readonly #ask: (() => Promise<S3Keys>) | undefined;
  readonly #now: () => number;
  #keys: S3Keys | undefined;
  #askAt: number;
  #asking: Promise<S3Keys> | undefined;

  /** Without `ask` nothing is signed, or what is given is all there is. */
  constructor(keys: S3Keys | undefined, ask: (() => Promise<S3Keys>) | undefined, now: () => number = Date.now) {
    this.#keys = keys;
    this.#ask = ask;
    this.#now = now;
    this.#askAt = askTime(keys);
  }

  /** Undefined: requests are not signed. Rejects as `ask`, unless what there is has not ended yet. */
  async current(): Promise<S3Keys | undefined> {
    const keys = this.#keys;
    if (this.#ask === undefined || (keys !== undefined && this.#now() < this.#askAt)) return keys;
    try {
      return await this.#newer();
    } catch (error) {
      if (keys?.expiresAt === undefined || keys.expiresAt <= this.#now()) throw error;
      return keys;
    }
  }

  /** After the service refused `refused`: other keys, if there are any. Undefined when there is nobody to ask. Rejects as `ask`. */
  async instead(refused: S3Keys | undefined): Promise<S3Keys | undefined> {
    if (this.#keys !== refused) return this.#keys;
    return this.#ask === undefined ? undefined : await this.#newer();
  }

  /** Asked once, however many wait. */
  async #newer(): Promise<S3Keys> {
    const ask = this.#ask;
    if (ask === undefined) throw new Error('nobody to ask');
    this.#asking ??= ask()
      .then((keys) => {
        this.#keys = keys;
        return keys;
      })
      .finally(() => {
        this.#asking = undefined;
        this.#askAt = Math.max(askTime(this.#keys), this.#now() + askAgainMs);
      });
    return await this.#asking;
  }
}

export function isSameKeys(a: S3Keys | undefined, b: S3Keys | undefined): boolean {
  return (
    a?.accessKeyId === b?.accessKeyId &&
    a?.secretAccessKey === b?.secretAccessKey &&
    a?.sessionToken === b?.sessionToken
  );
}

function askTime(keys: S3Keys | undefined): number {
  if (keys === undefined) return 0;
  return keys.expiresAt === undefined ? Number.POSITIVE_INFINITY : keys.expiresAt - aheadMs;
}
