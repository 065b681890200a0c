/** Marks a place that types prove unreachable; reaching it is a bug, not bad input. */
export function assertNever(value: never): never {
  throw new Error(`this is a bug: unexpected value ${JSON.stringify(value)}`);
}

/** States an invariant of our own code. Bad input is never asserted: it gets a `TowError`. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`this is a bug: ${message}`);
}
