/**
 * Node's flags for processes that stay. Collecting young garbage copies what is still used, all at once: with V8's 16 MiB
 * and more the event loop was held for 30 to 150 ms at a time, with 4 for 15, for nothing (docs/decisions/0004, 0006).
 */
export const daemonFlags: readonly string[] = ['--max-semi-space-size=4', '--no-parallel-scavenge'];
