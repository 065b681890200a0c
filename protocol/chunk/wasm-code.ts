/** Just enough of WebAssembly's binary format (webassembly.github.io/spec/core/binary) to write a few functions on 32-bit integers. */

/** Instructions, one after the other. */
export type Code = readonly number[];

/** A signed number as LEB128. */
function sleb(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value | 0; ; ) {
    const low = left & 0x7f;
    left >>= 7;
    const last = (left === 0 && (low & 0x40) === 0) || (left === -1 && (low & 0x40) !== 0);
    bytes.push(last ? low : low | 0x80);
    if (last) return bytes;
  }
}

function uleb(value: number): number[] {
  const bytes: number[] = [];
  let left = value >>> 0;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return [...bytes, left];
}

/** And version. */
const magic: Code = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const noResult = 0x40;
const int = 0x7f;

/** `label` counts outwards from the innermost block: 0. */
export const op = {
  get: (local: number): Code => [0x20, ...uleb(local)],
  set: (local: number, value: Code): Code => [...value, 0x21, ...uleb(local)],
  number: (value: number): Code => [0x41, ...sleb(value)],
  /** The word, or the byte, at an address that `offset` is added to. */
  load: (address: Code): Code => [...address, 0x28, 2, 0],
  loadByte: (address: Code, offset: number): Code => [...address, 0x2d, 0, ...uleb(offset)],
  isZero: (value: Code): Code => [...value, 0x45],
  less: (a: Code, b: Code): Code => [...a, ...b, 0x48],
  atMost: (a: Code, b: Code): Code => [...a, ...b, 0x4c],
  atLeast: (a: Code, b: Code): Code => [...a, ...b, 0x4e],
  add: (a: Code, b: Code): Code => [...a, ...b, 0x6a],
  subtract: (a: Code, b: Code): Code => [...a, ...b, 0x6b],
  and: (a: Code, b: Code): Code => [...a, ...b, 0x71],
  shiftLeft: (a: Code, bits: number): Code => [...a, 0x41, ...sleb(bits), 0x74],
  block: (...body: readonly Code[]): Code => [0x02, noResult, ...body.flat(), 0x0b],
  loop: (...body: readonly Code[]): Code => [0x03, noResult, ...body.flat(), 0x0b],
  if: (condition: Code, ...body: readonly Code[]): Code => [...condition, 0x04, noResult, ...body.flat(), 0x0b],
  branch: (label: number): Code => [0x0c, ...uleb(label)],
  branchIf: (label: number, condition: Code): Code => [...condition, 0x0d, ...uleb(label)],
  return: (value: Code): Code => [...value, 0x0f],
  call: (fn: number, ...args: readonly Code[]): Code => [...args.flat(), 0x10, ...uleb(fn)],
} as const;

/** A function of integers that returns one; its first locals are what it is given. */
export interface WasmFunction {
  readonly params: number;
  readonly locals: number;
  readonly body: Code;
}

/** A module with a memory of `pages` (64 KiB each, exported as `memory`) and these functions, the last one exported as `main`. */
export function wasmModule(pages: number, functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const section = (id: number, bytes: Code): Code => [id, ...uleb(bytes.length), ...bytes];
  const list = (items: readonly Code[]): Code => [...uleb(items.length), ...items.flat()];
  const name = (text: string): Code => [...uleb(text.length), ...Buffer.from(text, 'latin1')];
  const types = functions.map(
    ({ params }): Code => [0x60, ...list(Array.from({ length: params }, () => [int])), 1, int],
  );
  const bodies = functions.map(({ locals, body }): Code => {
    const code = [...(locals === 0 ? [0] : [1, ...uleb(locals), int]), ...body, 0x0b];
    return [...uleb(code.length), ...code];
  });
  return Uint8Array.from([
    ...magic,
    ...section(1, list(types)),
    ...section(3, list(functions.map((_, at) => uleb(at)))),
    ...section(5, [1, 0, ...uleb(pages)]),
    ...section(
      7,
      list([
        [...name('memory'), 2, 0],
        [...name('main'), 0, ...uleb(functions.length - 1)],
      ]),
    ),
    ...section(10, list(bodies)),
  ]);
}
