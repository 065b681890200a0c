// door.mjs LISTEN HOST:PORT: a TCP relay from a free port of LISTEN, which it prints; test hosts find this machine's S3 server by it.
import { connect, createServer } from 'node:net';

const [listen, to = ''] = process.argv.slice(2);
const [host, port] = to.split(':');

const server = createServer((near) => {
  const far = connect(Number(port), host);
  near.pipe(far).pipe(near);
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
});
server.listen(0, listen, () => console.log(server.address().port));
