import type * as v from 'valibot';

/** What a schema accepts, as plain data: two schemas that differ on the wire are described differently. */
export function describeSchema(schema: v.GenericSchema): unknown {
  return describe(schema);
}

/** What of a schema or action is wire contract; functions (checks, transformations) are known by their kind and message. */
const telling = [
  'type',
  'class',
  'literal',
  'options',
  'entries',
  'items',
  'item',
  'wrapped',
  'key',
  'fallback',
  'requirement',
  'message',
  'pipe',
];

function describe(value: unknown): unknown {
  if (value instanceof RegExp) return String(value);
  if (Array.isArray(value)) return value.map(describe);
  if (typeof value === 'function') return value.name;
  if (typeof value !== 'object' || value === null) return value;
  if (!('kind' in value && 'type' in value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, describe(item)]));
  const own = Object.entries(value).filter(
    ([key, item]) => telling.includes(key) && item !== undefined && !isCode(key, item),
  );
  // What older peers do not know falls back: such a list may grow.
  if ('fallback' in value) return { type: value.type, fallback: value.fallback };
  // A pipe repeats its first schema.
  const pipe = own.find(([key]) => key === 'pipe');
  return Object.fromEntries((pipe === undefined ? own : [pipe]).map(([key, item]) => [key, describe(item)]));
}

function isCode(key: string, item: unknown): boolean {
  return key === 'requirement' && typeof item === 'function';
}
