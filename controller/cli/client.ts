import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { TowError } from '../../protocol/base/errors.ts';
import type { ApiInput } from '../api/command.ts';
import type { ApiEvent } from '../api/event.ts';

export interface Conversation {
  /** Ctrl-C: tells the daemon. */
  interrupt(): void;
  /** The exit code; rejects with `controller-failed` when the daemon goes away. */
  readonly ended: Promise<number>;
}

/** After a request was sent: hands every event on, in order, until the exit code comes. */
export function converse(
  socket: Socket,
  onEvent: (event: ApiEvent, reply: (input: ApiInput) => void) => void,
): Conversation {
  const send = (input: ApiInput): void => void socket.write(`${JSON.stringify(input)}\n`);
  const ended = new Promise<number>((resolve, reject) => {
    const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('line', (line) => {
      // The daemon is ours, of this very build, behind a 0600 socket: what it sends is what the types say.
      const event: ApiEvent = JSON.parse(line);
      if (event.type === 'exit') {
        resolve(event.code);
        socket.end();
      } else onEvent(event, send);
    });
    const lost = (): void =>
      reject(
        new TowError('controller-failed', 'the controller went away while it worked', {
          hint: 'repeat the command: it starts a new one, and the sync resumes',
        }),
      );
    socket.on('close', lost);
    socket.on('error', lost);
  });
  return { interrupt: () => send({ type: 'interrupt' }), ended };
}
