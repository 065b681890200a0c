import { FileCarrier } from './file-carrier.ts';
import { Grain } from './grain.ts';
import { PackedContents } from './packed-contents.ts';
import type { HashInput } from './tasks.ts';

/** Bytes between two reports of progress. */
const reportBytes = 32 << 20;

export interface ReadContext {
  readonly grain: Grain;
  readonly cancel: Int32Array;
  /** Who takes what is read, if anybody. */
  readonly carrier: FileCarrier | undefined;
  readonly onBytes: (count: number) => void;
  /** Reports what is left to report, and lets go of what was opened. */
  readonly end: () => void;
}

/** What reading files goes on with. `emit` is told of bytes read, a good many at a time. */
export function readContext(
  { cancel, carry, root, packs = [] }: Pick<HashInput, 'cancel' | 'carry'> & Partial<Pick<HashInput, 'root' | 'packs'>>,
  emit: (bytes: number) => void,
): ReadContext {
  let unreported = 0;
  const report = (): void => {
    emit(unreported);
    unreported = 0;
  };
  const onBytes = (count: number): void => {
    unreported += count;
    if (unreported >= reportBytes) report();
  };
  const named = carry !== undefined && root !== undefined && packs.length > 0;
  const packed = named ? new PackedContents(root, packs) : undefined;
  const carrier = carry === undefined ? undefined : new FileCarrier(carry, packed);
  const end = (): void => {
    report();
    packed?.close();
  };
  return { grain: new Grain(), cancel, carrier, onBytes, end };
}
