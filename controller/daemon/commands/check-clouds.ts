import { toTowError } from '../../../protocol/base/errors.ts';
import { type AccessRequest, type BucketPlace, resolveAccess } from '../../buckets/resolve-access.ts';

/** One line a cloud: whether there is something that would open its buckets. Asks no cloud. */
export async function checkClouds(
  request: AccessRequest,
  say: (subject: string, ok: boolean, detail: string, hint?: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const clouds: readonly { readonly name: string; readonly store: BucketPlace['store'] }[] = [
    { name: 'AWS credentials', store: 's3' },
    { name: 'Google credentials', store: 'gcs' },
    { name: 'R2 credentials', store: 'r2' },
    { name: 'IBM credentials', store: 'ibm' },
  ];
  const lines = await Promise.all(
    clouds.map(async ({ name, store }) => {
      const place: BucketPlace = { store, bucket: 'any', region: 'us-south', endpoint: undefined };
      try {
        const access = await resolveAccess(place, request, signal);
        const { credentials } = access;
        if (credentials.type === 'none') return { name, ok: true, detail: 'none set up: public buckets only' };
        const until =
          'expiresAt' in credentials && credentials.expiresAt !== undefined
            ? `, until ${new Date(credentials.expiresAt).toISOString()}`
            : '';
        const where =
          access.service === 's3'
            ? `, region ${access.region}${access.endpoint === undefined ? '' : ` at ${access.endpoint}`}`
            : '';
        return { name, ok: true, detail: `found${where}${until}` };
      } catch (error) {
        const { code, message, hint } = toTowError(error, name);
        // R2 and IBM that nobody set up are no fault.
        const unset =
          code === 'credentials-missing' && (store === 'r2' || store === 'ibm') && message.startsWith('no ');
        return { name, ok: unset, detail: unset ? 'none set up' : message, hint: unset ? undefined : hint };
      }
    }),
  );
  for (const { name, ok, detail, hint } of lines) say(name, ok, detail, hint);
}
