import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { parse } from 'yaml';
import { errnoOf, TowError } from '../../protocol/base/errors.ts';

const schema = v.object({
  access_key_id: v.pipe(v.string(), v.minLength(1)),
  secret_access_key: v.pipe(v.string(), v.minLength(1)),
  /** Instead of the public endpoint of the bucket's region. */
  endpoint_url: v.optional(v.pipe(v.string(), v.regex(/^https?:\/\//))),
});
export type IbmCredentials = v.InferOutput<typeof schema>;

/** HMAC keys of `~/.ibm/credentials.yaml`; undefined when there is no such file. Rejects with `credentials-missing` when it says none. */
export async function ibmCredentials(home: string): Promise<IbmCredentials | undefined> {
  const path = join(home, '.ibm', 'credentials.yaml');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const read = v.safeParse(schema, parsed(text));
  if (read.success) return read.output;
  throw new TowError('credentials-missing', `${path} has no access_key_id and secret_access_key`, {
    hint: 'make HMAC keys for a service credential in the IBM Cloud console, and write both there',
  });
}

/** What is no YAML has no keys. Its error would quote the line. */
function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
