import { expect, test } from 'vitest';
import { unitText } from '../../../../agent/supervise/systemd.ts';

test('jobs survive the unit, and arguments are quoted as systemd reads them', () => {
  const text = unitText(['/opt/no de', '/home/a"b/100%/$HOME/agent.mjs', 'daemon'], '0123456789abcdef0123456789abcdef');
  expect(text).toContain(String.raw`ExecStart="/opt/no de" "/home/a\"b/100%%/$$HOME/agent.mjs" "daemon"`);
  expect(text).toContain('KillMode=process\n');
  expect(text).toContain('\nEnvironment=MALLOC_ARENA_MAX=2\n');
  expect(text).toContain('ConditionHost=0123456789abcdef0123456789abcdef\n');
  expect(unitText(['x'], '')).not.toContain('ConditionHost');
});
