import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { readIfThere, writeDurably } from './cluster-state.ts';

const schema = v.object({ id: v.string(), name: v.string() });
export type ControllerIdentity = v.InferOutput<typeof schema>;

/** Who this controller is to nodes: a random id, made once, and a name for people. */
export async function controllerIdentity(directory: string): Promise<ControllerIdentity> {
  const path = join(directory, 'identity.json');
  const text = await readIfThere(path);
  if (text !== undefined) return v.parse(schema, JSON.parse(text));
  const identity = { id: randomBytes(8).toString('hex'), name: `${userInfo().username}@${hostname()}` };
  await writeDurably(path, JSON.stringify(identity));
  return identity;
}
