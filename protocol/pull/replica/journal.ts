/** The journal of a switch: written whole and durable before the first op, deleted after the ledger. See docs/decisions/0001. */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ByteReader } from '../../base/byte-reader.ts';
import { ByteWriter } from '../../base/byte-writer.ts';
import { errnoOf, TowError } from '../../base/errors.ts';
import type { EntryKind } from '../../chunk/entry.ts';
import { replaceFile, syncDirectory } from './durable-file.ts';
import { frameRecord, unframeRecords } from './framed-record.ts';
import { decodeLedgerRecord, frameLedgerRecord, type LedgerRecord } from './ledger-codec.ts';
import type { Op } from './op.ts';

export interface Journal {
  /** Names this switch; conflicts it keeps have ids made from it. */
  readonly id: string;
  /** Where the root lies: absolute, symlinks resolved, latin1. */
  readonly root: string;
  /** Destination as the task writes it, for people. */
  readonly dest: string;
  /** Directory of the stage; absolute, latin1. */
  readonly stage: string;
  readonly ops: readonly Op[];
  /** What the ledger will say; prints that the switch makes are empty. */
  readonly record: LedgerRecord;
}

const opNames = ['appear', 'remove', 'rmdir', 'mkdir', 'place', 'meta', 'move', 'moveTree', 'patch'] as const;
/** A `meta` with a print. */
const metaOfName = opNames.length;
const metaKinds: readonly EntryKind[] = ['file', 'dir', 'symlink', 'hardlink', 'unknown'];

export function writeJournal(stateDir: string, journal: Journal): void {
  const writer = new ByteWriter();
  for (const text of [journal.id, journal.root, journal.dest, journal.stage]) writer.text(text);
  writer.u32(journal.ops.length);
  for (const op of journal.ops) writeOp(writer, op);
  replaceFile(join(stateDir, 'journal'), [frameRecord(writer.bytes()), frameLedgerRecord(journal.record)]);
}

/** The journal of an unfinished switch; undefined if there is none; throws `journal-damaged` if it cannot be read. */
export function readJournal(stateDir: string): Journal | undefined {
  const path = join(stateDir, 'journal');
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const { payloads, wholeBytes } = unframeRecords(bytes);
  const [head, record] = payloads;
  if (head === undefined || record === undefined || wholeBytes !== bytes.length) {
    throw new TowError('journal-damaged', `${path} is damaged: ${wholeBytes} of ${bytes.length} bytes are whole`);
  }
  const reader = new ByteReader(head);
  const [id, root, dest, stage] = [reader.text(), reader.text(), reader.text(), reader.text()];
  const ops = Array.from({ length: reader.u32() }, () => readOp(reader));
  return { id, root, dest, stage, ops, record: decodeLedgerRecord(record) };
}

/** Whether there is a journal, whole or not, or a part of one. */
export function hasJournal(stateDir: string): boolean {
  return existsSync(join(stateDir, 'journal')) || existsSync(join(stateDir, 'journal.new'));
}

export function deleteJournal(stateDir: string): void {
  rmSync(join(stateDir, 'journal'), { force: true });
  syncDirectory(stateDir);
}

/** Puts a damaged journal out of the way, where a person can look at it. */
export function setJournalAside(stateDir: string): void {
  renameSync(join(stateDir, 'journal'), join(stateDir, 'journal.damaged'));
  syncDirectory(stateDir);
}

function writeOp(writer: ByteWriter, op: Op): void {
  const isMetaOf = op.op === 'meta' && op.expect !== undefined;
  writer.u8(isMetaOf ? metaOfName : opNames.indexOf(op.op));
  if (op.op === 'appear') return;
  writer.text(op.path);
  switch (op.op) {
    case 'remove':
    case 'mkdir':
      writer.text(op.expect);
      return;
    case 'place':
      writer.text(op.expect);
      writer.text(op.staged);
      return;
    case 'move':
    case 'moveTree':
      writer.text(op.expect);
      writer.text(op.from);
      return;
    case 'patch':
      writer.text(op.expect);
      writer.text(op.staged);
      writer.i64(op.size);
      writer.u32(op.mode);
      writer.i64(op.mtimeSec);
      writer.u32(op.mtimeNsec);
      writer.u32(op.kept.length);
      for (const { offset, length } of op.kept) {
        writer.i64(offset);
        writer.i64(length);
      }
      return;
    case 'meta':
      writer.u8(metaKinds.indexOf(op.kind));
      writer.u32(op.mode);
      writer.i64(op.mtimeSec);
      writer.u32(op.mtimeNsec);
      if (op.expect !== undefined) writer.text(op.expect);
      return;
    case 'rmdir':
  }
}

function readOp(reader: ByteReader): Op {
  const name = reader.u8();
  const op = name === metaOfName ? 'meta' : opNames[name];
  if (op === undefined) throw new TowError('journal-damaged', 'unknown op in a journal');
  if (op === 'appear') return { op };
  const path = reader.text();
  switch (op) {
    case 'remove':
    case 'mkdir':
      return { op, path, expect: reader.text() };
    case 'rmdir':
      return { op, path };
    case 'place':
      return { op, path, expect: reader.text(), staged: reader.text() };
    case 'move':
    case 'moveTree':
      return { op, path, expect: reader.text(), from: reader.text() };
    case 'patch':
      return {
        op,
        path,
        expect: reader.text(),
        staged: reader.text(),
        size: reader.i64(),
        mode: reader.u32(),
        mtimeSec: reader.i64(),
        mtimeNsec: reader.u32(),
        kept: Array.from({ length: reader.u32() }, () => ({ offset: reader.i64(), length: reader.i64() })),
      };
    case 'meta':
      return {
        op,
        path,
        kind: metaKinds[reader.u8()] ?? 'unknown',
        mode: reader.u32(),
        mtimeSec: reader.i64(),
        mtimeNsec: reader.u32(),
        ...(name === metaOfName ? { expect: reader.text() } : {}),
      };
  }
}
