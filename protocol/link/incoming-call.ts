import { TowError } from '../base/errors.ts';
import { CreditWindow } from './credit-window.ts';

/** The callee's side of one call: its signal, and the credit it has to send data. */
export class IncomingCall {
  readonly #abort = new AbortController();
  readonly window: CreditWindow;

  constructor(windowBytes: number) {
    this.window = new CreditWindow(windowBytes);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(reason: TowError): void {
    this.#abort.abort(reason);
    this.window.close();
  }
}
