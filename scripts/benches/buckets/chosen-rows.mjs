/** Of `bench NAME [RUNS] [ROW…]`: how many samples, and which rows were named. Ends the program when they make no sense. */
export function chosenRows(name, rows) {
  const [runsText = '5', ...chosen] = process.argv.slice(2);
  const runs = Number(runsText);
  if (!Number.isInteger(runs) || runs < 0 || !chosen.every((key) => rows.some((row) => row.key === key))) {
    console.error(`bench ${name} [RUNS] [ROW…], rows: ${rows.map(({ key }) => key).join(' ')}`);
    process.exit(2);
  }
  return { runs, chosen };
}
