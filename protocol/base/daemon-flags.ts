/**
 * Node's flags for processes that stay. Collecting young garbage copies what is still used, all at once: with V8's 16 MiB
 * and more the event loop was held for 30 to 150 ms at a time, with 4 for 15, for nothing (docs/decisions/0004, 0006).
 */
export const daemonFlags: readonly string[] = ['--max-semi-space-size=4', '--no-parallel-scavenge'];

/**
 * Environment of an agent. glibc gives threads memory in places of their own, eight a processor, and what is left scattered in
 * each of them does not go back to the system: an agent at rest held 10 MB more. Where V8's own threads get theirs is
 * settled before anything of ours runs. Jobs do not inherit it.
 */
export const agentEnv: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '2' };
