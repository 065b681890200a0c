import type { Command } from '../api/command.ts';
import type { ApiSummary } from '../api/event.ts';
import type { CommandContext } from './context.ts';
import type { Controller } from './controller.ts';

/** How a command ended well; `exitCode` is 0 unless a job's own code goes through. */
export interface CommandResult {
  readonly summary: ApiSummary;
  readonly exitCode?: number;
}

/** Implementation of one command. Rejects with a `TowError`; emits progress, notes and data as it goes. */
export type CommandRun<N extends Command['command']> = (
  command: Extract<Command, { command: N }>,
  context: CommandContext,
  controller: Controller,
) => Promise<CommandResult>;
