import { TowError } from '../../protocol/base/errors.ts';

/**
 * A dotenv file: `NAME=value` with `export`, comments, and quotes that may span lines. In single quotes everything but
 * `\'` and `\\` stands for itself; in double quotes `\n \r \t \" \\ \$` are escapes; unquoted values end at ` #`.
 * `${NAME}` and `${NAME:-default}` outside single quotes take values set above, then the command line's environment,
 * then nothing. A name without `=` takes its value from that environment.
 *
 * Throws `usage` with file and line.
 */
export function parseEnvFile(
  text: string,
  file: string,
  env: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const lookUp = (name: string): string | undefined => found.get(name) ?? env[name];
  const source = text.replace(/\r\n?/g, '\n');
  let at = 0;
  const fail = (message: string, hint: string): TowError =>
    new TowError('usage', `${file}:${source.slice(0, at).split('\n').length}: ${message}`, { hint });
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match !== null) at += match[0].length;
    return match ?? undefined;
  };
  for (;;) {
    take(/(?:\s+|#[^\n]*)*/y);
    if (at >= source.length) return found;
    const name = take(/(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*/y)?.[1];
    if (name === undefined) throw fail('not of the form NAME=value', 'names have letters, digits and _');
    if (take(/=[ \t]*/y) === undefined) {
      const value = env[name];
      if (value === undefined) throw fail(`${name} has no value here`, `write ${name}=VALUE`);
      found.set(name, value);
    } else {
      found.set(
        name,
        takeValue(take, lookUp, () => fail(`the quote of ${name} is not closed`, 'close the quote')),
      );
    }
    if (take(/[ \t]*(?:#[^\n]*)?(?:\n|$)/y) === undefined)
      throw fail(`text after the value of ${name}`, 'quote the value');
  }
}

type Take = (pattern: RegExp) => RegExpExecArray | undefined;
type LookUp = (name: string) => string | undefined;

function takeValue(take: Take, lookUp: LookUp, unclosed: () => TowError): string {
  const single = take(/'((?:[^'\\]|\\[^])*)'/y)?.[1];
  if (single !== undefined) return single.replace(/\\(['\\])/g, '$1');
  const double = take(/"((?:[^"\\]|\\[^])*)"/y)?.[1];
  if (double !== undefined) return expandDouble(double, lookUp);
  if (take(/["']/y) !== undefined) throw unclosed();
  const bare = take(/[^\n]*?(?=[ \t]+#|[ \t]*(?:\n|$))/y)?.[0] ?? '';
  return bare.replace(variable, (_, name: string, otherwise?: string) => lookUp(name) ?? otherwise ?? '');
}

const variable = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$' };

function expandDouble(text: string, lookUp: LookUp): string {
  return text.replace(
    /\\([^])|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (whole, escaped?: string, name?: string, otherwise?: string) =>
      name === undefined ? (escapes[escaped ?? ''] ?? whole) : (lookUp(name) ?? otherwise ?? ''),
  );
}
