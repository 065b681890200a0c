/** Files from a repository may hold any bytes: reading them ends, and fails with `bad-message` only. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { TowError } from '../../protocol/base/errors.ts';
import { parseConfig } from '../../protocol/pull/source/ignore/config-file.ts';
import { parseGitIndex } from '../../protocol/pull/source/ignore/git-index.ts';
import { compileGlob } from '../../protocol/pull/source/ignore/glob.ts';
import { parsePatterns } from '../../protocol/pull/source/ignore/pattern.ts';

function orBadMessage(read: () => void): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(TowError);
    expect(error).toHaveProperty('code', 'bad-message');
  }
}

const entry = fc.record({ name: fc.stringMatching(/^[a-c/]{1,20}$/), gitlink: fc.boolean() });

/** An index of version 2 with an extension behind it. */
function encodeIndex(entries: readonly { name: string; gitlink: boolean }[], link: Uint8Array): Buffer {
  const head = Buffer.alloc(12, 'DIRC');
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(entries.length, 8);
  const records = entries.map(({ name, gitlink }) => {
    const record = Buffer.alloc((62 + name.length + 8) & ~7);
    record.writeUInt32BE(gitlink ? 0o160000 : 0o100644, 24);
    record.writeUInt16BE(name.length, 60);
    record.write(name, 62);
    return record;
  });
  const extension = Buffer.alloc(8, 'link');
  extension.writeUInt32BE(link.length, 4);
  return Buffer.concat([head, ...records, extension, link, Buffer.alloc(20)]);
}

it('reads an index, whole', () => {
  fc.assert(
    fc.property(fc.array(entry), (entries) => {
      const { entries: read } = parseGitIndex(encodeIndex(entries, Buffer.alloc(20)), 20);
      expect(read).toEqual(entries.map(({ name, gitlink }) => ({ path: name, gitlink })));
    }),
  );
});

it('reads an index, damaged', () => {
  const damage = fc.array(fc.record({ at: fc.nat(400), byte: fc.nat(255) }), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(entry), fc.uint8Array({ maxLength: 80 }), damage, fc.nat(400), (entries, link, bytes, cut) => {
      const index = encodeIndex(entries, link);
      for (const { at, byte } of bytes) if (at < index.length) index[at] = byte;
      for (const some of [index, index.subarray(0, cut)])
        orBadMessage(() => void parseGitIndex(some, 20).split?.deleted(entries.length));
    }),
    { numRuns: 2000 },
  );
});

it('reads rules and settings of any bytes', () => {
  const text = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    fc
      .array(fc.constantFrom('[', ']', '"', '\\', '\n', '=', '*', '!', '-', ':', 'a', '/', ' ', '#', '.'))
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, text, (one, other) => {
      parseConfig(one);
      parsePatterns(one, 'f');
      compileGlob(one, { path: true, ignoreCase: other.length % 2 === 0 })?.matches(other);
    }),
    { numRuns: 2000 },
  );
});
