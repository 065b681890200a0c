/** PROTOCOL.md names every message, method, field, limit and capability there is. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { maxBlockChunks, maxBlockRows } from '../../protocol/chunk/manifest-block.ts';
import { packMaxRuns } from '../../protocol/chunk/pack.ts';
import { headMethods } from '../../protocol/wire/copied.ts';
import { envelopeSchema } from '../../protocol/wire/envelope.ts';
import { handshakeSchema, refusalCodes } from '../../protocol/wire/hello.ts';
import { limits } from '../../protocol/wire/limits.ts';
import { agentMethods, controllerMethods } from '../../protocol/wire/methods.ts';
import { capabilities, protocolVersion } from '../../protocol/wire/version.ts';
import { describeSchema } from '../helpers/describe-schema.ts';

const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');
const says = (word: string): boolean =>
  new RegExp(`(?<![A-Za-z0-9])${word.replaceAll('.', '\\.')}(?![A-Za-z0-9])`).test(text);

test('limits, with their values', () => {
  const rows = new Map(
    [...text.matchAll(/^\| ([a-zA-Z]+) +\| +(\d+) \|/gm)].map(([, name, value]) => [name, Number(value)]),
  );
  expect(Object.fromEntries(rows)).toEqual(limits);
  for (const number of [maxBlockChunks, 2 * maxBlockRows]) expect(text.replaceAll(',', '')).toContain(` ${number} `);
  expect(text).toContain(`${packMaxRuns} runs`);
});

test('the version, capabilities, refusals and methods', () => {
  expect(text).toContain(`Version ${protocolVersion}.`);
  const words = [
    ...capabilities,
    ...refusalCodes,
    ...Object.keys(agentMethods),
    ...Object.keys({ ...controllerMethods, ...headMethods }),
  ];
  expect(words.filter((word) => !text.includes(`\`${word}\``))).toEqual([]);
});

test('every field of every message', () => {
  const fields = new Set<string>();
  const collect = (described: unknown): void => {
    if (typeof described !== 'object' || described === null) return;
    if ('entries' in described) for (const name of Object.keys(Object(described.entries))) fields.add(name);
    for (const value of Object.values(described)) collect(value);
  };
  for (const schema of [envelopeSchema, handshakeSchema]) collect(describeSchema(schema));
  for (const { params, event, result } of Object.values({ ...agentMethods, ...controllerMethods, ...headMethods }))
    for (const schema of [params, event, result]) collect(describeSchema(schema));
  expect(fields.size).toBeGreaterThan(60);
  expect([...fields].filter((name) => !says(name))).toEqual([]);
});
