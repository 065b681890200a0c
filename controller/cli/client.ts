import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { TowError } from '../../protocol/base/errors.ts';
import type { ApiInput } from '../api/command.ts';
import type { ApiEvent } from '../api/event.ts';

export interface Conversation {
  /** Ctrl-C: tells the daemon. */
  interrupt(): void;
  /** The exit code, or `unbegun` when the daemon went away before it took the request; rejects with `controller-failed` when it goes away later. */
  readonly ended: Promise<number | 'unbegun'>;
}

/** After a request was sent: hands every event on, in order, until the exit code comes. */
export function converse(
  socket: Socket,
  onEvent: (event: ApiEvent, reply: (input: ApiInput) => void) => void,
): Conversation {
  const send = (input: ApiInput): void => void socket.write(`${JSON.stringify(input)}\n`);
  const ended = new Promise<number | 'unbegun'>((resolve, reject) => {
    let accepted = false;
    const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('line', (line) => {
      // The daemon is ours, of this very build, behind a 0600 socket: what it sends is what the types say.
      const event: ApiEvent = JSON.parse(line);
      if (event.type === 'accepted') accepted = true;
      else if (event.type === 'exit') {
        resolve(event.code);
        socket.end();
      } else onEvent(event, send);
    });
    const lost = (): void => {
      if (!accepted) return resolve('unbegun');
      reject(
        new TowError('controller-failed', 'the controller went away while it worked', {
          hint: 'repeat the command: it starts a new one, and the sync resumes',
        }),
      );
    };
    socket.on('close', lost);
    // The end of the lines comes after the last of them.
    lines.on('error', () => undefined);
  });
  return { interrupt: () => send({ type: 'interrupt' }), ended };
}
