import type { ApiSummary, SyncSummary } from '../api/event.ts';
import { bytesText, countText, durationText, plainText } from './format.ts';

/** The line that a sync closes with: logical size, bytes sent, time. */
export function renderSync(sync: SyncSummary): string {
  const to = `${sync.nodes} ${sync.nodes === 1 ? 'node' : 'nodes'}`;
  const from = sync.workdir === undefined ? '' : ` of ${plainText(sync.workdir)}`;
  const { fetchedBytes, headBytes, publishedBytes } = sync;
  const fromHead = headBytes === undefined ? '' : `, ${bytesText(headBytes)} from the head`;
  const percent =
    sync.logicalBytes > 0 && fetchedBytes === undefined
      ? ` (${Math.round((sync.sentBytes / sync.logicalBytes) * 100)}%)`
      : '';
  const notes = [
    publishedBytes === undefined ? '' : `published ${bytesText(publishedBytes)}`,
    fetchedBytes === undefined ? '' : `fetched ${bytesText(fetchedBytes)} from buckets${fromHead}`,
    sync.conflicts > 0 ? `${sync.conflicts} ${sync.conflicts === 1 ? 'conflict' : 'conflicts'}` : '',
    sync.problems > 0 ? `${sync.problems} ${sync.problems === 1 ? 'problem' : 'problems'}` : '',
  ].filter((text) => text !== '');
  return [
    `synced ${countText(sync.files)} ${sync.files === 1 ? 'file' : 'files'} (${bytesText(sync.logicalBytes)})${from} to ${to} in ${durationText(sync.seconds)}`,
    `sent ${bytesText(sync.sentBytes)}${percent}`,
    ...notes,
  ].join(' · ');
}

/** What a command ends with, for people. */
export function renderSummary({ job, text }: ApiSummary): string[] {
  const lines: string[] = [];
  if (job !== undefined && job.state !== 'INIT' && job.state !== 'PENDING') {
    const codes = job.exitCodes.some((code) => code !== 0) ? `, exit codes by rank: ${job.exitCodes.join(', ')}` : '';
    lines.push(`job ${job.id} ${job.state}${codes}`);
  }
  if (text !== undefined) lines.push(plainText(text));
  return lines;
}
