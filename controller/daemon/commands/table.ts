import { TowError } from '../../../protocol/base/errors.ts';
import type { Command } from '../../api/command.ts';
import type { CommandResult } from '../command-result.ts';
import type { CommandContext } from '../context.ts';
import type { Controller } from '../controller.ts';
import { cancel } from './cancel.ts';
import { check } from './check.ts';
import { conflictsLs, conflictsPrune, conflictsRestore } from './conflicts.ts';
import { down } from './down.ts';
import { exec } from './exec.ts';
import { launch } from './launch.ts';
import { logs } from './logs.ts';
import { lsFiles } from './ls-files.ts';
import { poolAdd, poolLs } from './pool.ts';
import { push } from './push.ts';
import { status } from './status.ts';
import { storageDelete, storageLs } from './storage.ts';
import { storageGc } from './storage-gc.ts';

/** Runs a command. `stop` is the server's own. */
export async function runCommand(
  command: Command,
  context: CommandContext,
  controller: Controller,
): Promise<CommandResult> {
  switch (command.command) {
    case 'launch':
      return await launch(command, context, controller);
    case 'exec':
      return await exec(command, context, controller);
    case 'push':
      return await push(command, context, controller);
    case 'logs':
      return await logs(command, context, controller);
    case 'cancel':
      return await cancel(command, context, controller);
    case 'status':
      return await status(command, context, controller);
    case 'down':
      return await down(command, context, controller);
    case 'pool-ls':
      return await poolLs(command, context, controller);
    case 'pool-add':
      return await poolAdd(command, context, controller);
    case 'conflicts-ls':
      return await conflictsLs(command, context, controller);
    case 'conflicts-restore':
      return await conflictsRestore(command, context, controller);
    case 'conflicts-prune':
      return await conflictsPrune(command, context, controller);
    case 'storage-ls':
      return await storageLs(command, context, controller);
    case 'storage-delete':
      return await storageDelete(command, context, controller);
    case 'ls-files':
      return await lsFiles(command, context, controller);
    case 'check':
      return await check(command, context, controller);
    case 'storage-gc':
      return await storageGc(command, context, controller);
    case 'stop':
      throw new TowError('internal', 'stop is not a command of the table');
  }
}
