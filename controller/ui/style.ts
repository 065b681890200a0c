/** Colour, or none. */
export interface Style {
  red(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
}

const wrap =
  (code: number) =>
  (text: string): string =>
    `\x1b[${code}m${text}\x1b[0m`;
const none = (text: string): string => text;

export function styleFor(color: boolean): Style {
  if (!color) return { red: none, yellow: none, cyan: none, bold: none, dim: none };
  return { red: wrap(31), yellow: wrap(33), cyan: wrap(36), bold: wrap(1), dim: wrap(2) };
}
