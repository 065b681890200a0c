import type { RootPath } from '../../base/root-path.ts';
import type { Entry } from '../../chunk/entry.ts';
import { type Ledger, ledgerItem } from './ledger.ts';
import { noPrint, type Print, printLinks } from './print.ts';

/** A file of ours that goes away. */
interface Source {
  readonly path: RootPath;
  readonly print: Print;
}

/** Files of ours that the source has no more, by what is in them, mode and times included. */
export class Movable {
  readonly #ledger: Ledger;
  readonly #sources = new Map<string, Source[]>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** `path` must be as the ledger left it. */
  add(path: RootPath): void {
    const item = ledgerItem(this.#ledger, path);
    if (item?.entry.kind !== 'file' || item.entry.size === 0 || item.print === noPrint) return;
    // Another name of it would go along.
    if (printLinks(item.print) !== 1) return;
    const key = keyOf(item.entry);
    const sources = this.#sources.get(key);
    if (sources === undefined) this.#sources.set(key, [{ path, print: item.print }]);
    else sources.push({ path, print: item.print });
  }

  /** One that is exactly `entry` and that `allows` allows; each is given once. */
  take(entry: Entry, allows: (path: RootPath) => boolean): Source | undefined {
    const sources = this.#sources.get(keyOf(entry)) ?? [];
    const at = sources.findIndex(({ path }) => allows(path));
    return at < 0 ? undefined : sources.splice(at, 1)[0];
  }
}

function keyOf({ content, mode, mtimeSec, mtimeNsec }: Entry): string {
  return `${mode} ${mtimeSec}.${mtimeNsec} ${content}`;
}
