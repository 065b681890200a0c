/**
 * Bytes of every message, as they were when a protocol version was made. `UPDATE_FIXTURES=1` writes those of the current
 * version anew: allowed until it is released, and for fields that older peers do without; anything else is a new version.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { decodeFrame } from '../../../protocol/link/frame.ts';
import { decodeMessage, encodeMessage } from '../../../protocol/wire/codec.ts';
import { headMethods } from '../../../protocol/wire/copied.ts';
import { enrolReplySchema, enrolRequestSchema } from '../../../protocol/wire/enrol.ts';
import { envelopeSchema } from '../../../protocol/wire/envelope.ts';
import { handshakeSchema } from '../../../protocol/wire/hello.ts';
import { limits } from '../../../protocol/wire/limits.ts';
import { agentMethods, controllerMethods } from '../../../protocol/wire/methods.ts';
import { minProtocolVersion, protocolVersion } from '../../../protocol/wire/version.ts';
import { describeSchema } from '../../helpers/describe-schema.ts';
import {
  agentSamples,
  controllerSamples,
  envelopeSamples,
  frameSamples,
  handshakeSamples,
  headSamples,
} from '../../helpers/wire-samples.ts';

const update = process.env['UPDATE_FIXTURES'] === '1';
const advice = `the messages of protocol ${protocolVersion} have changed. If it was released, raise protocolVersion in
protocol/wire/version.ts, add a line to its history, and see PROTOCOL.md, "Compatibility"; then, or if it was not, run
  UPDATE_FIXTURES=1 npx vitest run --project fast test/unit/wire/golden.test.ts
and commit test/fixtures/wire.`;

function fixturePath(version: number, name: string): string {
  return new URL(`../../fixtures/wire/v${version}/${name}.json`, import.meta.url).pathname;
}

/** The fixture of the current version; written first if that is asked for. */
function golden(name: string, current: Readonly<Record<string, unknown>>): unknown {
  const path = fixturePath(protocolVersion, name);
  if (update) {
    mkdirSync(fixturePath(protocolVersion, '.').replace(/\/[^/]*$/, ''), { recursive: true });
    writeFileSync(path, lines(current));
  }
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** JSON with one line an entry. */
function lines(entries: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(entries).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `{\n${rows.join(',\n')}\n}\n`;
}

/** A message of the samples: its bytes, and what a receiver makes of them. */
function messageOf(schema: v.GenericSchema, sample: unknown): { readonly bytes: string; readonly parsed: unknown } {
  const bytes = encodeMessage(sample);
  return { bytes: bytes.toString('hex'), parsed: plain(decodeMessage(schema, bytes, 'a sample')) };
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

const schemas = new Map<string, v.GenericSchema>();
const messages: Record<string, ReturnType<typeof messageOf>> = {};
function add(name: string, schema: v.GenericSchema, sample: unknown): void {
  schemas.set(name, schema);
  messages[name] = messageOf(schema, sample);
}
for (const [name, { params, event, result }] of Object.entries({
  ...agentMethods,
  ...controllerMethods,
  ...headMethods,
})) {
  const samples = { ...agentSamples, ...controllerSamples, ...headSamples };
  const sample: { readonly params: unknown; readonly result: unknown; readonly event?: unknown } | undefined =
    Object.entries(samples).find(([key]) => key === name)?.[1];
  add(`${name} params`, params, sample?.params);
  add(`${name} result`, result, sample?.result);
  if (event.type !== 'never') add(`${name} event`, event, sample?.event);
}
for (const sample of envelopeSamples) add(sample.type, envelopeSchema, sample);
for (const [name, bytes] of Object.entries(handshakeSamples())) {
  schemas.set(name, handshakeSchema);
  messages[name] = {
    bytes: bytes.toString('hex'),
    parsed: plain(decodeMessage(handshakeSchema, bytes, 'a sample')),
  };
}

test('every message has the bytes it had', () => {
  expect(golden('messages', messages), advice).toEqual(messages);
});

test('every kind of envelope and handshake message is among them', () => {
  const kinds = [...envelopeSchema.options, ...handshakeSchema.options].map(({ entries }) => entries.type.literal);
  const covered = new Set(
    Object.values(messages).map(({ parsed }) => v.parse(v.looseObject({ type: v.optional(v.string()) }), parsed).type),
  );
  expect(kinds.filter((kind) => !covered.has(kind))).toEqual([]);
});

test('frames have the bytes they had', () => {
  const frames = Object.fromEntries(
    Object.entries(frameSamples()).map(([name, bytes]) => [name, bytes.toString('hex')]),
  );
  expect(golden('frames', frames), advice).toEqual(frames);
  const data = decodeFrame(Buffer.from(frames['data'] ?? '', 'hex'));
  expect(data).toEqual({ type: 'data', id: 0x01020304, payload: Buffer.from('some bytes') });
});

test('schemas and limits are what they were', () => {
  const contract = {
    limits,
    handshake: describeSchema(handshakeSchema),
    envelope: describeSchema(envelopeSchema),
    enrol: [describeSchema(enrolRequestSchema), describeSchema(enrolReplySchema)],
    ...Object.fromEntries(
      Object.entries({ ...agentMethods, ...controllerMethods, ...headMethods }).map(([name, method]) => [
        name,
        {
          params: describeSchema(method.params),
          event: describeSchema(method.event),
          result: describeSchema(method.result),
          stream: method.stream,
        },
      ]),
    ),
  };
  expect(golden('schemas', contract), advice).toEqual(plain(contract));
});

describe('messages of every version we speak are still understood', () => {
  const versions = Array.from({ length: protocolVersion - minProtocolVersion + 1 }, (_, at) => minProtocolVersion + at);
  test.each(versions)('version %i', (version) => {
    const fixture = v.parse(
      v.record(v.string(), v.object({ bytes: v.string(), parsed: v.unknown() })),
      JSON.parse(readFileSync(fixturePath(version, 'messages'), 'utf8')),
    );
    for (const [name, { bytes, parsed }] of Object.entries(fixture)) {
      const schema = schemas.get(name);
      if (schema === undefined) throw new Error(`${name} of version ${version} is gone`);
      expect(plain(decodeMessage(schema, Buffer.from(bytes, 'hex'), name)), name).toMatchObject(Object(parsed));
    }
  });
});
