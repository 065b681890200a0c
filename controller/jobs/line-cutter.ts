import { StringDecoder } from 'node:string_decoder';

/** A line longer than this is passed on in pieces, in characters. */
const maxLine = 64 << 10;

/** Cuts a byte stream into batches of whole lines; the last, unfinished one comes at the end. Invalid UTF-8 is replaced. */
export class LineCutter {
  readonly #onText: (text: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  /** `onText` gets one or more whole lines, each with its newline. */
  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  push(bytes: Buffer): void {
    const text = this.#rest + this.#decoder.write(bytes);
    const end = text.lastIndexOf('\n') + 1;
    this.#rest = text.slice(end);
    if (end > 0) this.#onText(text.slice(0, end));
    while (this.#rest.length > maxLine) {
      this.#onText(`${this.#rest.slice(0, maxLine)}\n`);
      this.#rest = this.#rest.slice(maxLine);
    }
  }

  end(): void {
    this.#rest += this.#decoder.end();
    if (this.#rest !== '') this.#onText(`${this.#rest}\n`);
    this.#rest = '';
  }
}
