// Of a benchmark's table, what does not depend on the benchmark.
export const must = (value, most) => (value <= most ? 'yes' : '**no**');
export const cells = (values) => `| ${values.join(' | ')} |`;

export function tableOf(head, lines) {
  return [cells(head), cells(head.map(() => '---')), ...lines].join('\n');
}

/** Where the samples of each row come from. */
export function originsOf(keys, stored) {
  return keys
    .map((key) => {
      const { date, command, commit, machine, loadBefore } = stored[key];
      return `* ${key}: \`${command}\`, ${date.slice(0, 10)}, commit ${commit}, ${machine}, load before ${loadBefore}`;
    })
    .join('\n');
}
