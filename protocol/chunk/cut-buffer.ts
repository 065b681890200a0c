/**
 * Memory that chunks are cut in. The search for cuts is WebAssembly, put together here: in JavaScript each byte costs two
 * checks of bounds, and all of it takes 2.6 times as long (1.1 GB/s beside 2.9 on kernel source, half of which is skipped).
 */
import { type ChunkSizes, cutPoint, gear, windowBytes } from './chunker.ts';
import { type Code, op, wasmModule } from './wasm-code.ts';

const pageBytes = 64 << 10;
/** The table of the hash comes first. */
const dataOffset = 4 * gear.length;
const noCut = -1;

/** The hash, with the byte taken in that lies `behind` where local `at` says. */
function roll(hash: number, at: number, behind: number): Code {
  const byte = op.loadByte(op.get(at), dataOffset + behind);
  return op.set(hash, op.add(op.shiftLeft(op.get(hash), 1), op.load(op.shiftLeft(byte, 2))));
}

const unrolled = [0, 1, 2, 3];

/** find(at, to, mask): the end of the first window with a hash without a bit of the mask, from `at` on; -1 if there is none. */
function findCut(): Code {
  const [at, to, mask, hash, warm] = [0, 1, 2, 3, 4];
  const advance = (local: number, bytes: number): Code => op.set(local, op.add(op.get(local), op.number(bytes)));
  const step = (behind: number): Code => [
    ...roll(hash, at, behind),
    ...op.if(op.isZero(op.and(op.get(hash), op.get(mask))), op.return(op.add(op.get(at), op.number(behind + 1)))),
  ];
  return [
    ...op.set(warm, op.subtract(op.get(at), op.number(windowBytes))),
    ...op.loop(
      ...unrolled.map((behind) => roll(hash, warm, behind)),
      advance(warm, unrolled.length),
      op.branchIf(0, op.less(op.get(warm), op.get(at))),
    ),
    ...op.block(
      op.loop(
        op.branchIf(1, op.atLeast(op.add(op.get(at), op.number(unrolled.length - 1)), op.get(to))),
        ...unrolled.map(step),
        advance(at, unrolled.length),
        op.branch(0),
      ),
    ),
    ...op.block(op.loop(op.branchIf(1, op.atLeast(op.get(at), op.get(to))), step(0), advance(at, 1), op.branch(0))),
    ...op.number(noCut),
  ];
}

/** cut(start, end, min, normal, max, strict, loose): see `CutBuffer.cutPoint`. */
function cutChunk(): Code {
  const [start, end, min, normal, max, strict, loose, stop, turn, found] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const bounded = (local: number, length: number, limit: number): Code => [
    ...op.set(local, op.add(op.get(start), op.get(length))),
    ...op.if(op.less(op.get(limit), op.get(local)), op.set(local, op.get(limit))),
  ];
  const search = (from: Code, to: number, mask: number): Code => [
    ...op.set(found, op.call(0, from, op.get(to), op.get(mask))),
    ...op.if(op.less(op.number(noCut), op.get(found)), op.return(op.get(found))),
  ];
  return [
    ...op.if(op.atMost(op.subtract(op.get(end), op.get(start)), op.get(min)), op.return(op.get(end))),
    ...bounded(stop, max, end),
    ...bounded(turn, normal, stop),
    ...search(op.add(op.get(start), op.get(min)), turn, strict),
    ...search(op.get(turn), stop, loose),
    ...op.get(stop),
  ];
}

type CutChunk = (...args: readonly [number, number, number, number, number, number, number]) => number;

/** Undefined where there is no room for it: a memory takes 8 GiB of addresses, of which a process may be allowed less. */
function instantiate(byteLength: number): { readonly bytes: Buffer; readonly cut: CutChunk } | undefined {
  const module = wasmModule(Math.ceil((dataOffset + byteLength) / pageBytes), [
    { params: 3, locals: 2, body: findCut() },
    { params: 7, locals: 3, body: cutChunk() },
  ]);
  let exports: WebAssembly.Instance['exports'];
  try {
    ({ exports } = new WebAssembly.Instance(new WebAssembly.Module(module)));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const { memory, main } = exports;
  if (!(memory instanceof WebAssembly.Memory) || typeof main !== 'function')
    throw new Error('this is a bug: a module without what it exports');
  new Int32Array(memory.buffer, 0, gear.length).set(gear);
  return { bytes: Buffer.from(memory.buffer, dataOffset, byteLength), cut: (...args) => Number(main(...args)) };
}

export class CutBuffer {
  /** Where what is to be cut is put; never another one. */
  readonly bytes: Buffer;
  readonly #cut: CutChunk | undefined;

  /** `make` is for tests. */
  constructor(byteLength: number, make = instantiate) {
    const fast = make(byteLength);
    this.bytes = fast?.bytes ?? Buffer.allocUnsafeSlow(byteLength);
    this.#cut = fast?.cut;
  }

  /** As `cutPoint` in chunker.ts, of `bytes`. Does not allocate. */
  cutPoint(start: number, end: number, sizes: ChunkSizes): number {
    const { min, normal, max, strictMask, looseMask } = sizes;
    if (this.#cut === undefined) return cutPoint(this.bytes, start, end, sizes);
    return this.#cut(start, end, min, normal, max, strictMask, looseMask);
  }
}
