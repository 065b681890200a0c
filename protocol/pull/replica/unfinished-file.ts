import { closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { type NativePath } from '../../base/root-path.ts';
import type { ChunkList } from '../../chunk/entry.ts';
import type { PackedFile } from '../../chunk/file-pack.ts';
import { setFdMtime } from '../../libc/libc.ts';
import { writeAll } from './durable-file.ts';

type Stamp = Pick<PackedFile, 'mode' | 'mtimeSec' | 'mtimeNsec'>;

interface Piece {
  readonly bytes: number;
  readonly list: ChunkList;
}

/** A large file that comes in pieces, in any order, before its chunk list is known. */
export class UnfinishedFile {
  readonly #stamp: Stamp;
  readonly #size: number;
  /** By where they lie in the file. */
  readonly #pieces = new Map<number, Piece>();
  #bytes = 0;
  #mixed = false;
  /** Bytes from its beginning on that are there. */
  #prefix = 0;

  constructor({ mode, mtimeSec, mtimeNsec }: Stamp, size: number) {
    this.#stamp = { mode, mtimeSec, mtimeNsec };
    this.#size = size;
  }

  /** How many bytes are there from its beginning on, without a gap. */
  get prefix(): number {
    return this.#prefix;
  }

  /** Whether pieces are of the same state of the file. */
  isOf({ mode, mtimeSec, mtimeNsec }: Stamp, size: number): boolean {
    const own = this.#stamp;
    return size === this.#size && mode === own.mode && mtimeSec === own.mtimeSec && mtimeNsec === own.mtimeNsec;
  }

  /** Writes a piece. With the last of them the file gets its mode and mtime, and its chunk list is returned. Blocking. */
  write(where: NativePath, offset: number, bytes: Uint8Array, list: ChunkList): ChunkList | undefined {
    const fd = openSync(where, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      writeAll(fd, bytes, offset);
      const before = this.#pieces.get(offset);
      // Pieces that overlap lie over one another on the disk, and no list says how.
      if (before !== undefined && before.bytes !== bytes.length) this.#mixed = true;
      this.#bytes += bytes.length - (before?.bytes ?? 0);
      this.#pieces.set(offset, { bytes: bytes.length, list });
      for (;;) {
        const next = this.#pieces.get(this.#prefix);
        if (next === undefined || next.bytes === 0) break;
        this.#prefix += next.bytes;
      }
      const whole = this.#whole();
      if (whole === undefined) return undefined;
      const { mode, mtimeSec, mtimeNsec } = this.#stamp;
      fchmodSync(fd, mode);
      setFdMtime(fd, mtimeSec, mtimeNsec);
      return whole;
    } finally {
      closeSync(fd);
    }
  }

  /** Undefined while a piece lacks, and for good when they do not fit together: then the file is looked through by whoever has the manifest. */
  #whole(): ChunkList | undefined {
    if (this.#mixed || this.#bytes !== this.#size) return undefined;
    const lists: ChunkList[] = [];
    let next = 0;
    for (const [offset, { bytes, list }] of [...this.#pieces].sort(([a], [b]) => a - b)) {
      if (offset !== next) return undefined;
      next += bytes;
      lists.push(list);
    }
    return lists.join('');
  }
}
