import { closeSync } from 'node:fs';
import { type NativePath } from '../base/root-path.ts';
import { cPath, libc, systemError } from './libc.ts';

/** One thing that happened in, or to, a watched directory. */
export interface InotifyEvent {
  /** Which watch it belongs to. */
  readonly watch: number;
  /** The name it happened to, latin1-held; '' when it happened to the directory itself. */
  readonly name: string;
  /** The directory itself was moved or deleted, or its file system unmounted. */
  readonly self: boolean;
  /** The watch is no more; its number may be given again. */
  readonly ended: boolean;
}

/** Bits of <linux/inotify.h>. */
const bit = {
  modify: 0x2,
  attrib: 0x4,
  movedFrom: 0x40,
  movedTo: 0x80,
  create: 0x100,
  delete: 0x200,
  deleteSelf: 0x400,
  moveSelf: 0x800,
  unmount: 0x2000,
  overflow: 0x4000,
  ignored: 0x8000,
  onlyDir: 0x0100_0000,
  dontFollow: 0x0200_0000,
} as const;

const watched =
  bit.modify |
  bit.attrib |
  bit.movedFrom |
  bit.movedTo |
  bit.create |
  bit.delete |
  bit.deleteSelf |
  bit.moveSelf |
  bit.onlyDir |
  bit.dontFollow;

const nonBlocking = 0o4000;
const closeOnExec = 0o2_000_000;
const eagain = 11;
const headBytes = 16;

/** Errnos of a directory that is not there (any more): its parent's events tell the rest. */
const absent: ReadonlySet<number> = new Set([2, 20, 40]);

/**
 * The kernel's list of changes to directories. It puts an event into the queue before the call that made the change
 * returns, so what `read` gives is complete: nothing that anybody did before it was called is missing, unless the queue
 * was full, which it says. Node's own watchers hide that. (Changes made on another machine, or through a memory map,
 * raise no event at all.)
 */
export class Inotify implements Disposable {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(64 << 10);
  #closed = false;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Undefined where there is none: not Linux, no libc, or the user's limit on instances is reached. */
  static open(): Inotify | undefined {
    const fd = Number(libc()?.inotifyInit(nonBlocking | closeOnExec) ?? -1);
    return fd < 0 ? undefined : new Inotify(fd);
  }

  /**
   * Watches a directory, never through a symlink; the number it is known by, the same for each path of one directory.
   * 'absent' when no directory is there, 'refused' when it cannot be watched (no permission, or the user's limit is reached).
   */
  add(path: NativePath): number | 'absent' | 'refused' {
    const c = libc();
    if (c === undefined) return 'refused';
    const watch = Number(c.inotifyAddWatch(this.#fd, cPath(path), watched));
    if (watch >= 0) return watch;
    return absent.has(c.koffi.errno()) ? 'absent' : 'refused';
  }

  remove(watch: number): void {
    libc()?.inotifyRemoveWatch(this.#fd, watch);
  }

  /** All events until now, in order; 'overflow' when some were dropped. Never blocks. */
  read(): InotifyEvent[] | 'overflow' {
    const c = libc();
    const events: InotifyEvent[] = [];
    if (c === undefined) return 'overflow';
    for (;;) {
      const length = Number(c.read(this.#fd, this.#buffer, BigInt(this.#buffer.length)));
      if (length < 0 && c.koffi.errno() !== eagain) throw systemError(c, 'read');
      if (length <= 0) return events;
      if (!this.#parse(length, events)) return 'overflow';
    }
  }

  /** False when the queue had overflowed. */
  #parse(length: number, events: InotifyEvent[]): boolean {
    for (let at = 0; at < length; ) {
      const mask = this.#buffer.readUInt32LE(at + 4);
      const nameBytes = this.#buffer.readUInt32LE(at + 12);
      if ((mask & bit.overflow) !== 0) return false;
      const from = at + headBytes;
      at = from + nameBytes;
      // Names are padded with NULs.
      const end = nameBytes === 0 ? from : this.#buffer.indexOf(0, from);
      events.push({
        watch: this.#buffer.readInt32LE(from - headBytes),
        name: this.#buffer.toString('latin1', from, end < 0 || end > at ? at : end),
        self: (mask & (bit.deleteSelf | bit.moveSelf | bit.unmount)) !== 0,
        ended: (mask & bit.ignored) !== 0,
      });
    }
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }
}
