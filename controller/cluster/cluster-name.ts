import { TowError } from '../../protocol/base/errors.ts';

/** Checks a new cluster's name: it becomes a host name and part of paths, and `NAME-worker2` must name a node. */
export function parseClusterName(name: string): string {
  if (/^[a-z][a-z0-9-]{0,39}$/.test(name) && !/-worker\d+$/.test(name)) return name;
  throw new TowError('usage', `${JSON.stringify(name)} is no cluster name`, {
    hint: 'a name has 1 to 40 characters of a-z, 0-9 and -, begins with a letter, and does not end in -workerN',
  });
}
