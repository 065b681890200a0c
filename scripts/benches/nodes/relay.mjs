// TCP from HOST:PORT to TOHOST:TOPORT, for hosts that cannot reach what listens on this machine alone.
import { connect, createServer } from 'node:net';
import { pipeline } from 'node:stream';

const [host, port, toHost, toPort] = process.argv.slice(2);
createServer({ noDelay: true }, (near) => {
  const far = connect({ host: toHost, port: Number(toPort), noDelay: true });
  pipeline(near, far, () => undefined);
  pipeline(far, near, () => undefined);
}).listen(Number(port), host);
