import { throwIfAborted } from '../../base/abort.ts';
import { TaskGroup } from '../../base/task-group.ts';
import type { Link } from '../../link/link.ts';
import type { ControllerMethods } from '../../wire/methods.ts';
import type { AdvanceOptions } from './files-in-advance.ts';
import { Making } from './making.ts';
import { ownMemory } from './own-memory.ts';
import type { PullTools } from './pull.ts';

export interface AdvanceCall {
  readonly root: AdvanceOptions;
  /** What the source calls what it has to give. */
  readonly offer: string;
  /** What came so far; ten times a second at most. */
  readonly onProgress: (files: number, bytes: number) => void;
}

/** What came before a pull: bytes of files, those made of what had come, and as they crossed the link. */
export interface Advanced {
  fetchedBytes: number;
  reusedBytes: number;
  sentBytes: number;
}

/** Has a root's thread take files that are sent while they are read. Adds to `advanced`; resolves with how many came, undefined if none were wanted. */
export async function fetchInAdvance(
  link: Link<ControllerMethods>,
  { thread, gate }: PullTools,
  { root, offer, onProgress }: AdvanceCall,
  advanced: Advanced,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!(await gate.hold(() => thread.run('advance', root, signal)))) return undefined;
  let count = 0;
  let total = 0;
  let reported = 0;
  const came = ({ bytes, files }: { readonly bytes: number; readonly files: number }): void => {
    count = files;
    total += bytes;
    const now = Date.now();
    if (now - reported < 100) return;
    reported = now;
    onProgress(files, total);
  };
  const group = new TaskGroup(signal);
  const making = new Making(group, async (stop) => {
    const made = await thread.run('makePromised', undefined, stop);
    advanced.reusedBytes += made.bytes;
    came(made);
    return made;
  });
  group.run(async (stop) => {
    const onData = async (pack: Buffer): Promise<void> => {
      throwIfAborted(stop);
      const { length } = pack;
      const taken = await thread.run('filePack', pack, stop, { transfer: ownMemory(pack) });
      advanced.fetchedBytes += taken.bytes;
      advanced.sentBytes += length;
      came(taken);
      if (taken.promises) making.wake();
    };
    await link.call('pull.files', { offer }, { onData }, stop);
  });
  await group.wait();
  return count;
}
