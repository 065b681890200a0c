import { join } from 'node:path';

/** Where a user's pools are written down. `home` is absolute. */
export function poolPath(home: string): string {
  return join(home, '.towline', 'ssh_node_pools.yaml');
}
