/** Where events go: data to stdout, progress and errors to stderr; as JSON Lines, with live bars, or as plain lines. */
import type { ApiData, ApiEvent } from '../api/event.ts';
import { plainText } from './format.ts';
import { Progress } from './progress.ts';
import { renderTable } from './render-data.ts';
import { renderError } from './render-error.ts';
import { renderSummary, renderSync } from './render-summary.ts';
import { type Style, styleFor } from './style.ts';

export interface OutputOptions {
  readonly json: boolean;
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'none';
  readonly command: string;
}

export interface Output {
  event(event: ApiEvent): void;
  /** Takes the bars off the terminal, which somebody else needs now. */
  pause(): void;
  /** Resolves when everything was written. */
  close(): Promise<void>;
}

export function openOutput(options: OutputOptions): Output {
  return options.json ? new JsonOutput() : new PeopleOutput(options);
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

class JsonOutput implements Output {
  event(event: ApiEvent): void {
    process.stdout.write(`${JSON.stringify({ v: 1, ...event })}\n`);
  }

  pause(): void {
    // Nothing is drawn.
  }

  async close(): Promise<void> {
    await drained(process.stdout);
  }
}

/** Ten times a second at most; plain lines when a node begins to fetch, then every five seconds. */
const redrawMs = 100;
const plainEveryMs = 5000;

class PeopleOutput implements Output {
  readonly #mode: 'tty' | 'plain' | 'json' | 'none';
  readonly #style: Style;
  readonly #progress = new Progress();
  readonly #rows: ApiData[] = [];
  #drawn = 0;
  #drawnAt = Date.now();
  #timer: NodeJS.Timeout | undefined;

  constructor({ progress }: OutputOptions) {
    const capable = process.stderr.isTTY && process.env['TERM'] !== 'dumb' && process.env['CI'] === undefined;
    this.#mode = progress === 'auto' ? (capable ? 'tty' : 'plain') : progress;
    this.#style = styleFor(capable && process.env['NO_COLOR'] === undefined);
  }

  event(event: ApiEvent): void {
    switch (event.type) {
      case 'progress':
        return this.#onProgress(event);
      case 'output':
        return this.#write(process.stdout, event.text.replace(/^(?=.)|^(?=\n)/gm, `${event.prefix} `));
      case 'note': {
        const tag = event.level === 'warning' ? `${this.#style.yellow('warning:')} ` : '';
        const hint = event.hint === undefined ? '' : `\n${this.#style.cyan('hint:')} ${plainText(event.hint)}`;
        return this.#write(process.stderr, `${tag}${plainText(event.text)}${hint}\n`);
      }
      case 'job':
        this.#progress.clear();
        if (event.state === 'INIT') this.#write(process.stderr, `job ${event.job} submitted to ${event.cluster}\n`);
        return;
      case 'data':
        this.#rows.push(event);
        return;
      case 'summary': {
        this.#flushRows();
        this.#progress.clear();
        // With a job the sync was told before the job's output.
        const lines = [
          ...(event.sync === undefined || event.job !== undefined ? [] : [renderSync(event.sync)]),
          ...renderSummary(event),
        ];
        return this.#write(process.stderr, lines.map((line) => `${line}\n`).join(''));
      }
      case 'sync':
        this.#progress.clear();
        return this.#write(process.stderr, `${renderSync(event)}\n`);
      case 'error':
        this.#flushRows();
        this.#progress.clear();
        return this.#write(process.stderr, `${renderError(event.error, this.#style).join('\n')}\n`);
      case 'login':
      case 'accepted':
      case 'exit':
    }
  }

  pause(): void {
    this.#erase();
    this.#progress.clear();
  }

  async close(): Promise<void> {
    this.#flushRows();
    this.#erase();
    clearTimeout(this.#timer);
    await Promise.all([drained(process.stdout), drained(process.stderr)]);
  }

  #flushRows(): void {
    const lines = renderTable(this.#rows);
    this.#rows.length = 0;
    if (lines.length > 0) this.#write(process.stdout, `${lines.join('\n')}\n`);
  }

  #onProgress(event: Extract<ApiEvent, { type: 'progress' }>): void {
    const now = Date.now();
    const turned = this.#progress.update(event, now);
    if (this.#mode === 'json') process.stderr.write(`${JSON.stringify({ v: 1, ...event })}\n`);
    if (
      this.#mode === 'plain' &&
      ((turned && (event.phase === 'fetch' || event.phase === 'upload')) || now - this.#drawnAt > plainEveryMs)
    ) {
      this.#drawnAt = now;
      process.stderr.write(`${this.#progress.renderOne(event, now)}\n`);
    }
    if (this.#mode === 'tty')
      this.#timer ??= setTimeout(() => this.#draw(), Math.max(0, this.#drawnAt + redrawMs - now));
  }

  /** Writes above the bars. */
  #write(stream: NodeJS.WriteStream, text: string): void {
    if (text === '') return;
    this.#erase();
    stream.write(text);
  }

  #erase(): void {
    if (this.#drawn > 0) process.stderr.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  #draw(): void {
    this.#timer = undefined;
    this.#drawnAt = Date.now();
    this.#erase();
    const lines = this.#progress.render((process.stderr.columns || 80) - 1, this.#drawnAt);
    if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }
}
