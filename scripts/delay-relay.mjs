// delay-relay.mjs MS LISTEN FIRST N: TCP relays LISTEN:2200+k → (FIRST+k):22 that hold every byte, and the connection
// itself, MS milliseconds in each direction (round trip 2 × MS). For kernels without netem.
import { connect, createServer } from 'node:net';

const [ms, listen, first, n] = process.argv.slice(2);
const delay = Number(ms);
const maxHeldBytes = 64 << 20;

function relay(from, to) {
  let held = 0;
  const later = (action) => setTimeout(() => action(), delay);
  from.on('data', (data) => {
    held += data.length;
    if (held > maxHeldBytes) from.pause();
    later(() => {
      held -= data.length;
      if (!to.destroyed) to.write(data);
      if (held <= maxHeldBytes) from.resume();
    });
  });
  from.on('end', () => later(() => to.end()));
  from.on('error', () => to.destroy());
  from.on('close', () => later(() => to.end()));
}

for (let k = 0; k < Number(n); k++) {
  const host = first.replace(/\d+$/, (last) => String(Number(last) + k));
  createServer({ noDelay: true }, (near) => {
    const far = connect({ host, port: 22, noDelay: true });
    relay(near, far);
    relay(far, near);
  }).listen(2200 + k, listen);
}
