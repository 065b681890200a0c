import { TowError } from '../../base/errors.ts';

/** An answer to ListObjects, version 1 or 2, as it is written: keys may be encoded. */
export interface ListText {
  readonly objects: readonly {
    readonly key: string;
    readonly size: string;
    readonly etag: string;
    readonly modified: string;
  }[];
  readonly prefixes: readonly string[];
  readonly truncated: boolean;
  /** Whether keys, prefixes and markers are URL-encoded. */
  readonly encoded: boolean;
  readonly nextToken: string | undefined;
  readonly nextMarker: string | undefined;
}

const deepest = 16;
const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/**
 * Reads the XML of a listing: elements and text, which is all that S3 writes. Rejects with `store-failed` what is
 * anything else, or cut off.
 */
export function parseList(xml: string): ListText {
  const objects: { key: string; size: string; etag: string; modified: string }[] = [];
  const prefixes: string[] = [];
  const top = new Map<string, string>();
  const path: string[] = [];
  let object = { key: '', size: '', etag: '', modified: '' };
  let at = xml.indexOf('<');
  let ended = false;
  while (at >= 0) {
    const end = xml.indexOf('>', at);
    if (end < 0) throw notAList('it is cut off');
    const mark = xml.charCodeAt(at + 1);
    if (mark === question) {
      if (path.length > 0) throw notAList('it has a processing instruction');
    } else if (mark === bang) {
      throw notAList('it has markup that no listing has');
    } else if (mark === slash) {
      const name = path.pop();
      if (name === undefined || xml.slice(at + 2, end).trim() !== name) throw notAList('its elements are not nested');
      if (path.length === 0) ended = true;
      if (path.length === 1 && name === 'Contents') objects.push(object);
    } else {
      const tag = xml.slice(at + 1, end);
      const empty = tag.endsWith('/');
      const name = /^[\w.:-]+/.exec(tag)?.[0] ?? '';
      if (name === '' || ended || path.length === deepest) throw notAList('its elements are not nested');
      // A page of some other server may be well formed, and would be an empty bucket.
      if (path.length === 0 && name !== 'ListBucketResult') throw noService(`it gives <${name.slice(0, 40)}>`);
      if (path.length === 1 && name === 'Contents') object = { key: '', size: '', etag: '', modified: '' };
      const next = xml.indexOf('<', end);
      const text = empty || next < 0 ? '' : xml.slice(end + 1, next);
      if (path.length === 1) top.set(name, text);
      else if (path.length === 2) {
        if (path[1] === 'Contents') {
          if (name === 'Key') object.key = unescaped(text);
          else if (name === 'Size') object.size = text;
          else if (name === 'ETag') object.etag = unescaped(text);
          else if (name === 'LastModified') object.modified = text;
        } else if (path[1] === 'CommonPrefixes' && name === 'Prefix') prefixes.push(unescaped(text));
      }
      if (!empty) path.push(name);
      else if (path.length === 0) ended = true;
    }
    at = xml.indexOf('<', end);
  }
  if (!ended) throw notAList('it is cut off');
  const textOf = (name: string): string | undefined => {
    const text = top.get(name);
    return text === undefined || text === '' ? undefined : unescaped(text);
  };
  return {
    objects,
    prefixes,
    truncated: textOf('IsTruncated') === 'true',
    encoded: textOf('EncodingType') === 'url',
    nextToken: textOf('NextContinuationToken'),
    nextMarker: textOf('NextMarker'),
  };
}

const [question, bang, slash] = [63, 33, 47];

function notAList(why: string): TowError {
  return new TowError('store-failed', `the service's listing cannot be read: ${why}`);
}

/** What answers is some other web server. */
export function noService(why: string): TowError {
  return new TowError('store-failed', `what answers there is no S3 service: ${why}`, {
    hint: 'correct the endpoint (AWS_ENDPOINT_URL, or endpoint_url in ~/.aws/config)',
  });
}

function unescaped(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{1,8}));/g, (_, decimal, hex, name) => {
    if (name !== undefined) {
      const character = named[name];
      if (character === undefined) throw notAList(`it has the entity ${name}`);
      return character;
    }
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    if (code > 0x10ffff) throw notAList(`it has a character ${code}`);
    return String.fromCodePoint(code);
  });
}
