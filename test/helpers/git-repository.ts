import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runGit } from './git-oracle.ts';

const someone = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'gc.auto=0'];

/** A git repository of a test's own. */
export class GitRepository {
  readonly root: string;
  readonly #scratch: string;

  constructor(root: string, scratch: string) {
    this.root = root;
    this.#scratch = scratch;
    this.git('init', '-q');
  }

  /** What the command wrote, latin1-held. */
  git(...args: readonly string[]): string {
    const [out = ''] = runGit([{ cwd: this.root, home: this.#scratch, args: [...someone, ...args] }], this.#scratch);
    return out;
  }

  /** Commits all there is, and packs all that was committed. */
  pack(...options: readonly string[]): void {
    this.git('add', '-Af', '.');
    this.git('commit', '-qm', 'one more');
    this.git('repack', '-qadf', ...options);
    this.git('prune-packed', '-q');
  }

  /** The one pack, by its path in the repository, without its extension. */
  get packPath(): string {
    const directory = '.git/objects/pack';
    const [name] = readdirSync(join(this.root, directory)).filter((each) => each.endsWith('.pack'));
    if (name === undefined) throw new Error('nothing is packed');
    return `${directory}/${name.slice(0, -'.pack'.length)}`;
  }
}
