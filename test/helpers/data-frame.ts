import { dataFrameHeader } from '../../protocol/link/frame.ts';

/** A data or payload frame in one piece. */
export function encodeDataFrame(type: 'data' | 'payload', id: number, parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([dataFrameHeader(type, id, parts), ...parts]);
}
