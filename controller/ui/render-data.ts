import { assertNever } from '../../protocol/base/assert.ts';
import type { ApiData } from '../api/event.ts';
import { bytesText, countText, plainText } from './format.ts';

/** A listed thing as the columns of its table, or as a line of its own. */
export function renderRow(data: ApiData): readonly string[] {
  switch (data.kind) {
    case 'cluster': {
      const away = data.nodes.filter(({ connected }) => !connected).length;
      const nodes = `${data.nodes.length}${away > 0 ? ` (${away} away)` : ''}`;
      return [
        data.name,
        data.infra,
        nodes,
        data.job === undefined ? '-' : `${data.job.id} ${data.job.state} ${plainText(data.job.name)}`,
        plainText(data.workdir ?? '-'),
      ];
    }
    case 'host':
      return [
        data.pool,
        `${data.user === undefined ? '' : `${data.user}@`}${data.host}${data.port === undefined ? '' : `:${data.port}`}`,
        data.cluster ?? '-',
      ];
    case 'conflict':
      return [
        data.id,
        data.node,
        plainText(data.path),
        data.reason,
        bytesText(data.bytes),
        new Date(data.keptAt).toISOString().slice(0, 19).replace('T', ' '),
      ];
    case 'storage':
      return [
        data.name,
        plainText(data.place),
        data.objects === undefined ? '-' : `${countText(data.objects)} (${bytesText(data.bytes ?? 0)})`,
        new Date(data.createdAt).toISOString().slice(0, 19).replace('T', ' '),
        data.state,
        data.usedBy.length === 0 ? '-' : data.usedBy.join(', '),
      ];
    case 'path':
      return [plainText(data.path)];
    case 'explain':
      return [
        `${plainText(data.path)}: ${data.sent ? 'sent' : 'not sent'}: ${plainText(data.why)}${data.file === undefined ? '' : ` (${plainText(data.file)}:${data.line ?? 0}: ${plainText(data.pattern ?? '')})`}`,
      ];
    case 'check':
      return [
        `${data.ok ? '✓' : '✗'} ${plainText(data.subject)}: ${plainText(data.detail)}${data.hint === undefined ? '' : `\n  hint: ${plainText(data.hint)}`}`,
      ];
    case 'plan':
      return [
        `${plainText(data.source)} → ${plainText(data.root)}`,
        data.files === undefined ? '' : `${countText(data.files)} files`,
        data.bytes === undefined ? '' : bytesText(data.bytes),
      ];
    default:
      return assertNever(data);
  }
}

const heads: Partial<Record<ApiData['kind'], readonly string[]>> = {
  cluster: ['CLUSTER', 'INFRA', 'NODES', 'LAST JOB', 'WORKDIR'],
  host: ['POOL', 'HOST', 'CLUSTER'],
  storage: ['STORAGE', 'PLACE', 'UPLOADED', 'MADE', 'STATE', 'USED BY'],
  conflict: ['ID', 'NODE', 'PATH', 'WHY', 'SIZE', 'KEPT'],
};

/** Rows of one kind, under their head, in columns. */
export function renderTable(rows: readonly ApiData[]): string[] {
  const [first] = rows;
  const head = first === undefined ? undefined : heads[first.kind];
  const cells = [...(head === undefined ? [] : [head]), ...rows.map(renderRow)];
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  '),
  );
}
