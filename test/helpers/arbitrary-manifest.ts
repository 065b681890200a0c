import * as fc from 'fast-check';
import { joinPath } from '../../protocol/base/root-path.ts';
import { digestOf, holeDigest } from '../../protocol/chunk/digest.ts';
import { chunkRecord, type Entry } from '../../protocol/chunk/entry.ts';
import type { Directory, Manifest } from '../../protocol/chunk/manifest.ts';

/** A name of any bytes a file system allows. */
const arbitraryName = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replace(/[/\0]/g, '_'))
  .filter((name) => name !== '.' && name !== '..');

const meta = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  mtimeSec: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  mtimeNsec: fc.integer({ min: 0, max: 999_999_999 }),
});

/** Chunks and holes in turn, sizes included. */
const arbitraryContent = fc
  .array(fc.record({ seed: fc.nat(1000), length: fc.integer({ min: 1, max: 1 << 20 }), hole: fc.boolean() }), {
    maxLength: 6,
  })
  .map((chunks) => {
    let content = '';
    let size = 0;
    let afterHole = false;
    for (const { seed, length, hole } of chunks) {
      const isHole: boolean = hole && !afterHole;
      content += chunkRecord(isHole ? holeDigest : digestOf(`chunk ${seed}`), length);
      size += length;
      afterHole = isHole;
    }
    return { content, size };
  });

type Node =
  | { readonly kind: 'file'; readonly content: string; readonly size: number }
  | { readonly kind: 'symlink'; readonly content: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'dir'; readonly nodes: readonly Named[] };
interface Named {
  readonly name: string;
  readonly node: Node;
  readonly meta: Pick<Entry, 'mode' | 'mtimeSec' | 'mtimeNsec'>;
}

const { nodes } = fc.letrec<{ nodes: readonly Named[] }>((tie) => ({
  nodes: fc.uniqueArray(
    fc.record({
      name: arbitraryName,
      meta,
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        arbitraryContent.map((file): Node => ({ kind: 'file', ...file })),
        arbitraryName.map((content): Node => ({ kind: 'symlink', content })),
        fc.constant<Node>({ kind: 'unknown' }),
        tie('nodes').map((inside): Node => ({ kind: 'dir', nodes: inside })),
      ),
    }),
    { maxLength: 6, selector: ({ name }) => name },
  ),
}));

/** Any manifest of a directory; hard links are made of files that come later in path order and have a twin before. */
export const arbitraryManifest: fc.Arbitrary<Manifest> = fc
  .tuple(nodes, meta, fc.boolean())
  .map(([top, rootMeta, links]) => {
    const directories = new Map<string, Directory>();
    const files: string[] = [];
    const visit = (path: string, inside: readonly Named[]): void => {
      const entries = inside
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name, node, meta: times }): Entry => {
          const child = joinPath(path, name);
          if (node.kind === 'dir') visit(child, node.nodes);
          if (node.kind === 'file') files.push(child);
          const size = node.kind === 'file' ? node.size : 0;
          return { kind: node.kind, name, ...times, size, content: 'content' in node ? node.content : '' };
        });
      directories.set(path, { path, entries });
    };
    visit('', top);
    const root: Entry = { kind: 'dir', name: '', ...rootMeta, size: 0, content: '' };
    const [first, ...later] = files.sort();
    const last = later.at(-1);
    if (!links || first === undefined || last === undefined) return { root, directories };
    return { root, directories: linked(directories, first, last) };
  });

const hardlink: Entry['kind'] = 'hardlink';

function linked(directories: ReadonlyMap<string, Directory>, target: string, link: string): Map<string, Directory> {
  return new Map(
    [...directories].map(([path, directory]) => [
      path,
      {
        path,
        entries: directory.entries.map((entry) =>
          joinPath(path, entry.name) === link ? { ...entry, kind: hardlink, size: 0, content: target } : entry,
        ),
      },
    ]),
  );
}
