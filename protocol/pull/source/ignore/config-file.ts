/** A setting of a git config file, latin1-held. `value` is undefined where there is no `=`: that is true. */
interface ConfigSetting {
  /** 'core.excludesfile': section and key in lower case, a subsection between them as it is. */
  readonly name: string;
  readonly value: string | undefined;
}

export interface ParsedConfig {
  readonly settings: readonly ConfigSetting[];
  /** The line (from 1) that makes no sense: settings from there on are not known. */
  readonly brokenLine: number | undefined;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['b', '\b'],
  ['\\', '\\'],
  ['"', '"'],
]);

/** Reads a git config file as git does. */
export function parseConfig(content: string): ParsedConfig {
  return new ConfigParser(content.startsWith('\xef\xbb\xbf') ? content.slice(3) : content).parse();
}

class ConfigParser {
  readonly #text: string;
  #at = 0;
  #section = '';
  readonly #settings: ConfigSetting[] = [];

  constructor(text: string) {
    this.#text = text.replaceAll('\r\n', '\n');
  }

  parse(): ParsedConfig {
    while (this.#at < this.#text.length) {
      const char = this.#text.charAt(this.#at);
      if (/\s/.test(char)) this.#at += 1;
      else if (char === '#' || char === ';') this.#skipLine();
      else if (!(char === '[' ? this.#readSection() : this.#readSetting())) {
        const brokenLine = this.#text.slice(0, this.#at).split('\n').length;
        return { settings: this.#settings, brokenLine };
      }
    }
    return { settings: this.#settings, brokenLine: undefined };
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end + 1;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text);
    if (found === null) return undefined;
    this.#at = sticky.lastIndex;
    return found;
  }

  /** `[section]`, `[section "sub"]` or the old `[section.sub]`, whose part after the point ignores case. */
  #readSection(): boolean {
    const found = this.#take(/\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n]|\\[^\n])*)")?\]/);
    if (found === undefined) return false;
    const [, name = '', quoted] = found;
    const section = name.toLowerCase();
    this.#section = quoted === undefined ? section : `${section}.${quoted.replace(/\\(.)/g, '$1')}`;
    return true;
  }

  #readSetting(): boolean {
    const found = this.#take(/([A-Za-z][A-Za-z0-9-]*)[ \t]*/);
    if (found === undefined || this.#section === '') return false;
    const name = `${this.#section}.${(found[1] ?? '').toLowerCase()}`;
    if (this.#take(/\n|$/) !== undefined) {
      this.#settings.push({ name, value: undefined });
      return true;
    }
    if (this.#take(/=[ \t]*/) === undefined) return false;
    const value = this.#readValue();
    if (value === undefined) return false;
    this.#settings.push({ name, value });
    return true;
  }

  /** Up to the end of the line: quotes, escapes, comments, lines that go on. Undefined when it is malformed. */
  #readValue(): string | undefined {
    let value = '';
    let kept = 0;
    let quoted = false;
    for (; this.#at < this.#text.length; this.#at += 1) {
      const char = this.#text.charAt(this.#at);
      if (char === '\n') {
        if (quoted) return undefined;
        break;
      }
      if (!quoted && (char === '#' || char === ';')) {
        this.#skipLine();
        return value.slice(0, kept);
      }
      if (char === '"') {
        quoted = !quoted;
        kept = Math.max(kept, value.length);
        continue;
      }
      if (char === '\\') {
        this.#at += 1;
        const next = this.#text.charAt(this.#at);
        if (next === '\n') continue;
        const escaped = escapes.get(next);
        if (escaped === undefined) return undefined;
        value += escaped;
      } else value += char;
      if (quoted || !/\s/.test(char)) kept = value.length;
    }
    return quoted ? undefined : value.slice(0, kept);
  }
}
