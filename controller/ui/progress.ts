import type { ApiEvent } from '../api/event.ts';
import { bytesText, countText, cut, durationText, plainText } from './format.ts';

export type ProgressEvent = Extract<ApiEvent, { type: 'progress' }>;

/** Seconds over which a rate is smoothed, and before which no end is foretold. */
const smoothingSeconds = 2;

interface Bar {
  event: ProgressEvent;
  phaseSince: number;
  seenAt: number;
  seenBytes: number;
  bytesPerSecond: number;
}

/** How each root on each node stands. `now` is in milliseconds. */
export class Progress {
  readonly #bars = new Map<string, Bar>();

  /** Returns whether a bar is new or in another phase than before. */
  update(event: ProgressEvent, now: number): boolean {
    const key = `${event.node}\0${event.root}`;
    const bar = this.#bars.get(key);
    if (bar === undefined || bar.event.phase !== event.phase) {
      this.#bars.set(key, { event, phaseSince: now, seenAt: now, seenBytes: event.bytes, bytesPerSecond: 0 });
      // A scan is over once a node pulls.
      if (event.node !== '') this.#bars.delete(`\0${event.root}`);
      return true;
    }
    const seconds = (now - bar.seenAt) / 1000;
    if (seconds > 0) {
      const weight = 1 - Math.exp(-seconds / smoothingSeconds);
      bar.bytesPerSecond += ((event.bytes - bar.seenBytes) / seconds - bar.bytesPerSecond) * weight;
      bar.seenAt = now;
      bar.seenBytes = event.bytes;
    }
    bar.event = event;
    return false;
  }

  clear(): void {
    this.#bars.clear();
  }

  /** The line of one bar. */
  renderOne({ node, root }: ProgressEvent, now: number): string {
    const bar = this.#bars.get(`${node}\0${root}`);
    return bar === undefined ? '' : renderBar(bar, now);
  }

  /** A line for each bar, at most `width` wide. */
  render(width: number, now: number): string[] {
    return [...this.#bars.values()].map((bar) => cut(renderBar(bar, now), width));
  }
}

function renderBar({ event, phaseSince, bytesPerSecond }: Bar, now: number): string {
  const who = event.node === '' ? plainText(event.root) : `${event.node} ${plainText(event.root)}`;
  const parts = [`${who.padEnd(16)} ${event.phase.padEnd(6)}`];
  if (event.totalFiles > 0) parts.push(`${countText(event.files)}/${countText(event.totalFiles)} files`);
  else if (event.files > 0) parts.push(`${countText(event.files)} files`);
  if (event.totalBytes > 0) {
    const percent = Math.floor((Math.min(event.bytes, event.totalBytes) / event.totalBytes) * 100);
    parts.push(`${bytesText(event.bytes)}/${bytesText(event.totalBytes)}`, `${percent}%`);
    if (bytesPerSecond > 0) parts.push(`${bytesText(bytesPerSecond)}/s`);
    const left = bytesPerSecond > 0 ? (event.totalBytes - event.bytes) / bytesPerSecond : Number.POSITIVE_INFINITY;
    if (now - phaseSince >= smoothingSeconds * 1000 && Number.isFinite(left)) parts.push(`ETA ${durationText(left)}`);
  } else if (event.bytes > 0) parts.push(bytesText(event.bytes));
  return parts.join('  ');
}
