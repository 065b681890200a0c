/**
 * Where every random suite begins. The same number each time, so that a run of the tests tells of the code and not of luck;
 * `scripts/prove` takes others.
 */
export const firstSeed = Number(process.env['TOWLINE_SEED'] ?? 1);
