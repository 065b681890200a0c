// What processes of ours take, from /proc/PID/status and smaps.
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
    agent: resident(agents()),
    agentSum: sum(agents(), 'VmRSS'),
    controllerPeak: sum(controllersOf(home), 'VmHWM'),
  };
}

// What several processes map of one file (Node's program is 38 MB of each) is in memory once, so it is counted once: for
// each piece of a file the most that any of them has of it, and all that is no file's.
function resident(pids) {
  const ofFiles = new Map();
  let own = 0;
  for (const pid of pids) {
    let piece;
    const mapped = new Map();
    for (const line of read(pid, 'smaps').split('\n')) {
      const begin = /^[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+ \S+ [1-9]\d*) /.exec(line);
      if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) piece = begin?.[1];
      const [, field, kb] = /^(Rss|Anonymous):\s+(\d+) kB/.exec(line) ?? [];
      if (field === undefined) continue;
      const bytes = Number(kb) * 1024;
      if (field === 'Anonymous' || piece === undefined) own += field === 'Rss' || piece !== undefined ? bytes : 0;
      if (piece !== undefined) mapped.set(piece, (mapped.get(piece) ?? 0) + (field === 'Rss' ? bytes : -bytes));
    }
    for (const [key, bytes] of mapped) ofFiles.set(key, Math.max(ofFiles.get(key) ?? 0, bytes));
  }
  return own + [...ofFiles.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Peaks now, and the agent's resident bytes after 20 seconds of rest, what is shared counted once and, for comparison, with each. */
export function recordMemory(book, key, home) {
  const { agentPeak, controllerPeak } = memory(home);
  sh('sleep 20');
  const { agent, agentSum } = memory(home);
  book.record(key, 'agent', { peak: agentPeak, atRest: agent, atRestSum: agentSum });
  book.record(key, 'controller', { peak: controllerPeak });
}
