import { readFileSync } from 'node:fs';

/** Names this run of the machine; undefined where the system does not say. Blocking. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
