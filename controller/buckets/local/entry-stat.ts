import type { ObjectHead, ObjectStat } from '../../../protocol/store/object-store.ts';
import { keyOf } from './bucket-key.ts';
import type { IndexEntry } from './index-record.ts';

/** What a listing says of an entry. */
export function statOfEntry({ key, size, version, modifiedMs }: IndexEntry): ObjectStat {
  return { key: keyOf(key), size, version, modifiedMs };
}

export function headOfEntry(entry: IndexEntry): ObjectHead {
  const { contentType, metadata, md5 } = entry;
  return { ...statOfEntry(entry), contentType, metadata, md5 };
}
