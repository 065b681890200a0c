/** The daemon's log is its stderr, which the CLI opened as `~/.towline/controller/log`. */
export function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}
