const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)/g;

/**
 * Puts variables in place of `${NAME}` and `$NAME`, once: what a value holds is not looked at again. A name that is not
 * among the variables stays as it is, as the incumbent has it.
 */
export function substitute(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(
    reference,
    (whole, braced?: string, bare?: string) => variables.get(braced ?? bare ?? '') ?? whole,
  );
}

/** The first variable a text names that has no value. */
export function unsetVariable(text: string, variables: ReadonlyMap<string, string>): string | undefined {
  for (const [, braced, bare] of text.matchAll(reference)) {
    const name = braced ?? bare ?? '';
    if (!variables.has(name)) return name;
  }
  return undefined;
}
