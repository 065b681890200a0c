// What processes of ours take, from /proc/PID/status.
import { readdirSync, readFileSync } from 'node:fs';
import { sh } from '../../proofs/hosts.mjs';

const read = (pid, file) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
};
const running = (matches) => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && matches(pid));

export const controllersOf = (home) =>
  running(
    (pid) => /controller\.mjs/.test(read(pid, 'cmdline')) && read(pid, 'environ').split('\0').includes(`HOME=${home}`),
  );

const agents = () => {
  const uid = sh('id -u tow0').trim();
  return running((pid) => /agent\.mjs/.test(read(pid, 'cmdline')) && read(pid, 'status').includes(`\nUid:\t${uid}\t`));
};

/** Peak and present resident bytes: of all agent processes on the host, and of a home's controller. */
export function memory(home) {
  const sum = (pids, field) => {
    if (pids.length === 0) throw new Error('no such process to read the memory of');
    return pids.reduce(
      (all, pid) => all + Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(read(pid, 'status'))?.[1] ?? 0) * 1024,
      0,
    );
  };
  return {
    agentPeak: sum(agents(), 'VmHWM'),
    agent: sum(agents(), 'VmRSS'),
    controllerPeak: sum(controllersOf(home), 'VmHWM'),
  };
}

/** Peaks now, and the agent's resident bytes after 20 seconds of rest. */
export function recordMemory(book, key, home) {
  const { agentPeak, controllerPeak } = memory(home);
  sh('sleep 20');
  book.record(key, 'agent', { peak: agentPeak, atRest: memory(home).agent });
  book.record(key, 'controller', { peak: controllerPeak });
}
