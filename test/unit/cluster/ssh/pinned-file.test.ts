import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { pinnedNatives } from '../../../../controller/cluster/ssh/pinned-file.ts';

const lockSchema = v.object({
  packages: v.record(v.string(), v.object({ version: v.optional(v.string()), integrity: v.optional(v.string()) })),
});

test.each(['x64', 'arm64'] as const)('the native file for %s is of the koffi that this project depends on', (arch) => {
  const lock = v.parse(lockSchema, JSON.parse(readFileSync('package-lock.json', 'utf8')));
  const { package: name, version, integrity } = pinnedNatives[arch];
  expect(lock.packages[`node_modules/${name}`]).toEqual({ version, integrity });
  expect(lock.packages['node_modules/koffi']?.version).toBe(version);
});
