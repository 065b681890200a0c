import { type Print, printInode, printLinks } from './print.ts';

/** What of a print stays when a file loses one of its other names: all but ctime and the number of names. */
function rest(print: Print): string {
  return print.slice(8, 40);
}

/**
 * Files with several names of which a switch has taken one: their others have another print since then, and that is not the
 * node's doing. Each was as it should be when its first name went, so nobody had written to it until then.
 */
export class LostNames {
  readonly #inodes = new Set<string>();

  /** Whether what is at a path, and is about to go, is what is expected there. */
  takes(print: Print, expect: Print): boolean {
    const inode = printInode(print);
    if (print !== expect && !(this.#inodes.has(inode) && rest(print) === rest(expect))) return false;
    if (printLinks(print) > 1) this.#inodes.add(inode);
    return true;
  }
}
