import { type NativePath } from '../../base/root-path.ts';
import type { OpenFile } from '../../libc/open-file.ts';
import { isOnNetwork } from '../watch/network.ts';

/**
 * How far back a ctime must lie for it to prove that a file has not been written since it was read.
 *
 * A kernel stamps with a clock that ticks every 1 to 10 ms, so two writes in one tick have one ctime. If a file was read
 * at R and its ctime is older than R by more than a tick, any later write gives it another ctime. Some file systems keep
 * less: whole seconds (ext3, HFS+) or two (FAT), seen by a ctime of whole seconds. On the network the server stamps, and
 * its clock may be behind ours, so there only a ctime that is a minute old counts.
 */
const tickNs = 20_000_000n;
const wholeSecondsNs = 2_100_000_000n;
const networkNs = 60_000_000_000n;

export class Grain {
  readonly #networkByDevice = new Map<bigint, boolean>();

  /** Nanoseconds that `stats` must have been old when the file at `path` was read. */
  of(stats: Pick<OpenFile, 'dev' | 'ctimeNs'>, path: NativePath): bigint {
    if (this.#onNetwork(stats.dev, path)) return networkNs;
    return localGrain(stats.ctimeNs);
  }

  #onNetwork(device: bigint, path: NativePath): boolean {
    const known = this.#networkByDevice.get(device);
    if (known !== undefined) return known;
    const network = isOnNetwork(path);
    this.#networkByDevice.set(device, network);
    return network;
  }
}

/** Nanoseconds that a ctime must be old where no network lies between. */
export function localGrain(ctimeNs: bigint): bigint {
  return ctimeNs % 1_000_000_000n === 0n ? wholeSecondsNs : tickNs;
}

/** Milliseconds to wait until a file this young can be read for good; 0 when it is old enough, or waiting takes too long. */
export function settleMs(ctimeNs: bigint, nowMs: number): number {
  const ageNs = BigInt(nowMs) * 1_000_000n - ctimeNs;
  return ageNs >= 0n && ageNs <= tickNs ? Number((tickNs - ageNs) / 1_000_000n) + 2 : 0;
}
