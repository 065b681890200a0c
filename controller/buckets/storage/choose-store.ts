import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreKind } from '../../task/task.ts';
import { ibmCredentials } from '../ibm-credentials.ts';
import type { AccessRequest } from '../resolve-access.ts';
import { askSdk } from '../sdk-thread.ts';

/** Where a storage goes that names no store: the first cloud that credentials are found for, else this machine. */
export async function chooseStore({ script, env, home }: AccessRequest, signal: AbortSignal): Promise<StoreKind> {
  // What is set up and does not work is no answer: who has it is told when it is used.
  const [aws, google] = await Promise.all([
    askSdk(script, 'aws', env, signal).catch(() => undefined),
    askSdk(script, 'google', env, signal).catch(() => undefined),
  ]);
  if (aws?.keys !== undefined) return 's3';
  if (google?.token !== undefined) return 'gcs';
  if (await isThere(join(home, '.cloudflare', 'r2.credentials'))) return 'r2';
  if ((await ibmCredentials(home).catch(() => undefined)) !== undefined) return 'ibm';
  return 'local';
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
