const billion = 1_000_000_000n;

/** Nanoseconds since the epoch as whole seconds, rounded down, and the rest. */
export function splitNs(ns: bigint): { readonly sec: number; readonly nsec: number } {
  const rest = ns % billion;
  const nsec = rest < 0n ? rest + billion : rest;
  return { sec: Number((ns - nsec) / billion), nsec: Number(nsec) };
}
