import { realpath } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { TowError } from '../../../protocol/base/errors.ts';
import { bytesOf, displayPath, parseRootPath } from '../../../protocol/base/root-path.ts';
import { localPath } from '../../task/local-path.ts';
import type { CommandRun } from '../command-result.ts';
import { homeOf } from './task-run.ts';

/** What would be sent of a directory, or why one path is or is not. */
export const lsFiles: CommandRun<'ls-files'> = async ({ directory, explain }, context, controller) => {
  const home = homeOf(context, controller);
  const wanted = directory === undefined ? context.cwd : localPath(directory, { cwd: context.cwd, home });
  let root: string;
  try {
    root = await realpath(wanted);
  } catch (error) {
    throw new TowError('workdir-missing', `${wanted} is not there`, {
      cause: error,
      hint: 'name a directory that exists',
    });
  }
  const source = await controller.sources.open({
    root: bytesOf(root),
    sendGit: true,
    home,
    xdgConfigHome: context.env['XDG_CONFIG_HOME'],
  });
  if (explain === undefined) {
    const files = await source.listFiles(context.signal);
    for (const { path, size } of files) context.emit({ type: 'data', kind: 'path', path: displayPath(path), size });
    return { summary: { command: 'ls-files' } };
  }
  const inside = relative(root, resolve(directory === undefined ? context.cwd : root, explain));
  if (inside === '..' || inside.startsWith('../')) throw new TowError('usage', `${explain} is not below ${root}`);
  const [standing] = await source.explain([parseRootPath(bytesOf(inside))], context.signal);
  if (standing === undefined) throw new TowError('internal', 'nothing is known of that path');
  const { state, rule, tracked } = standing;
  context.emit({
    type: 'data',
    kind: 'explain',
    path: inside,
    sent: state === 'sent',
    why: reasons[state](tracked),
    ...(rule === undefined
      ? {}
      : { file: displayPath(rule.file), line: rule.line, pattern: displayPath(rule.pattern) }),
  });
  return { summary: { command: 'ls-files' } };
};

const reasons = {
  absent: () => 'there is no such path',
  sent: (tracked: boolean) => (tracked ? 'a rule matches, but git tracks it' : 'no rule ignores it'),
  ignored: () => 'a rule ignores it',
  unsent: () => 'sockets, pipes and devices are never sent',
} as const;
