import { describe, expect, test } from 'vitest';
import { bytesText, countText, durationText, plainText } from '../../../controller/ui/format.ts';
import { Progress, type ProgressEvent } from '../../../controller/ui/progress.ts';
import { renderTable } from '../../../controller/ui/render-data.ts';
import { renderError } from '../../../controller/ui/render-error.ts';
import { renderSummary, renderSync } from '../../../controller/ui/render-summary.ts';
import { styleFor } from '../../../controller/ui/style.ts';

describe('numbers', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1024, '1.0 KiB'],
    [1_300_000_000, '1.2 GiB'],
    [150 * 1024, '150 KiB'],
  ])('%i bytes', (bytes, text) => expect(bytesText(bytes)).toBe(text));
  test.each([
    [1, '1'],
    [78_600, '78,600'],
    [1_000_000, '1,000,000'],
  ])('%i things', (count, text) => expect(countText(count)).toBe(text));
  test.each([
    [0.44, '0.4s'],
    [12.4, '12s'],
    [65, '1:05'],
    [3723, '1:02:03'],
  ])('%f seconds', (seconds, text) => expect(durationText(seconds)).toBe(text));
});

test('nothing of a remote drives the terminal', () => {
  expect(plainText('a\x1b[2Jb\u202ec\rd')).toBe('a\\x1b[2Jb\\x202ec\\x0dd');
});

test('the closing line has logical size, bytes sent and time', () => {
  const sync = {
    roots: 1,
    nodes: 2,
    files: 78_600,
    logicalBytes: 1_300_000_000,
    sentBytes: 130_000_000,
    seconds: 4.21,
    conflicts: 0,
    problems: 0,
  };
  expect(renderSync(sync)).toBe('synced 78,600 files (1.2 GiB) to 2 nodes in 4.2s · sent 124 MiB (10%)');
  expect(renderSync({ ...sync, nodes: 1, conflicts: 2, problems: 1, workdir: '/w' })).toBe(
    'synced 78,600 files (1.2 GiB) of /w to 1 node in 4.2s · sent 124 MiB (10%) · 2 conflicts · 1 problem',
  );
});

test('a failed job names its ranks', () => {
  expect(renderSummary({ command: 'exec', job: { id: '3', state: 'FAILED', exitCodes: [3, 137] } })).toEqual([
    'job 3 FAILED, exit codes by rank: 3, 137',
  ]);
});

test('an error has three parts', () => {
  expect(
    renderError({ code: 'io', message: 'm\x07', hint: 'h', causes: ['c1', 'c2'], retryable: false }, styleFor(false)),
  ).toEqual(['error: m\\x07', '  caused by: c1', '  caused by: c2', 'hint: h']);
});

test('tables line up under their heads', () => {
  expect(
    renderTable([
      { kind: 'host', pool: 'lab', host: 'gpu1', user: 'u', port: undefined, cluster: undefined },
      { kind: 'host', pool: 'laboratory', host: 'gpu2', user: undefined, port: 2222, cluster: 'dev' },
    ]),
  ).toEqual(['POOL        HOST       CLUSTER', 'lab         u@gpu1     -', 'laboratory  gpu2:2222  dev']);
});

describe('bars', () => {
  const event = (change: Partial<ProgressEvent>): ProgressEvent => ({
    type: 'progress',
    node: 'head',
    root: 'workdir',
    phase: 'fetch',
    files: 0,
    totalFiles: 100,
    bytes: 0,
    totalBytes: 1 << 20,
    ...change,
  });

  test.each([40, 80, 120])('fit %i columns', (width) => {
    const progress = new Progress();
    progress.update(event({ root: 'x'.repeat(200) }), 0);
    for (const line of progress.render(width, 0)) expect(line.length).toBeLessThanOrEqual(width);
  });

  test('foretell the end only after two seconds, from a smoothed rate', () => {
    const progress = new Progress();
    expect(progress.update(event({}), 0)).toBe(true);
    expect(progress.update(event({ bytes: 100_000, files: 10 }), 1000)).toBe(false);
    expect(progress.render(120, 1000)[0]).toMatch(
      /^head workdir {5}fetch {3}10\/100 files {2}97\.7 KiB\/1\.0 MiB {2}9% {2}\S+ KiB\/s$/,
    );
    progress.update(event({ bytes: 300_000, files: 30 }), 3000);
    expect(progress.render(120, 3000)[0]).toContain('ETA');
  });

  test('a scan gives way to the pulls of its root', () => {
    const progress = new Progress();
    progress.update(event({ node: '', phase: 'scan', totalFiles: 0, totalBytes: 0 }), 0);
    progress.update(event({}), 10);
    expect(progress.render(80, 10).length).toBe(1);
  });
});
