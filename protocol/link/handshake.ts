/**
 * Mutual challenge-response (PROTOCOL.md, "Handshake"). D is the side that dialled, L the one that listened.
 *
 *   D → L  hello with key id and nonce          L → D  hello with nonce
 *   D → L  proof                                L → D  proof, welcome with its build
 *   D → L  welcome with its build
 *
 * Every MAC covers both hellos as they were sent, so versions and capabilities cannot be changed on the way, and names
 * its side and purpose, so none can be sent back to its maker. L proves nothing to a peer that has not; an unknown key is
 * answered like a wrong secret.
 */
import { randomBytes } from 'node:crypto';
import type { WebSocket } from 'ws';
import { type Clock, systemClock } from '../base/clock.ts';
import { nonceBytes } from '../wire/hello.ts';
import { capabilities, minProtocolVersion, protocolVersion } from '../wire/version.ts';
import { checkVersions } from './check-versions.ts';
import { type HandshakeOutcome, runHandshake } from './handshake-wire.ts';
import type { Peer } from './link.ts';
import { buildMac, checkMac, proofMac, type Transcript } from './proof.ts';

export interface DialHandshake {
  readonly keyId: string;
  /** 32 random bytes. */
  readonly secret: Uint8Array;
  readonly build: string;
  readonly clock?: Clock;
}

/**
 * Proves the dialling side and checks the listening one. Rejects with `unauthenticated`, `version-mismatch`,
 * `bad-message`, `link-lost` or `cancelled`; the connection is closed then.
 */
export async function dialHandshake(
  socket: WebSocket,
  { keyId, secret, build, clock = systemClock }: DialHandshake,
  signal: AbortSignal,
): Promise<HandshakeOutcome<Peer>> {
  return await runHandshake(socket, clock, signal, async (wire) => {
    const ours = await wire.send({ ...hello(), keyId });
    const theirs = await wire.receive('hello');
    checkVersions(theirs.message, 'controller');
    const transcript: Transcript = [ours, theirs.bytes];
    await wire.send({ type: 'proof', mac: proofMac(secret, 'dialler', transcript) });
    const { message: proof } = await wire.receive('proof');
    checkMac(proof.mac, proofMac(secret, 'listener', transcript));
    const { message: welcome } = await wire.receive('welcome');
    checkMac(welcome.mac, buildMac(secret, 'listener', transcript, welcome.build));
    await wire.send({ type: 'welcome', build, mac: buildMac(secret, 'dialler', transcript, build) });
    const { version, capabilities: theirCapabilities } = theirs.message;
    return { keyId, version, build: welcome.build, capabilities: theirCapabilities };
  });
}

export interface ListenHandshake {
  /** The secret of a key, if it is known. */
  secretOf(keyId: string): Uint8Array | undefined;
  readonly build: string;
  readonly clock?: Clock;
}

/** Proves the listening side and checks the dialling one; fails as `dialHandshake` does. */
export async function listenHandshake(
  socket: WebSocket,
  options: ListenHandshake,
  signal: AbortSignal,
): Promise<HandshakeOutcome<Peer>> {
  const { build, clock = systemClock } = options;
  return await runHandshake(socket, clock, signal, async (wire) => {
    const theirs = await wire.receive('hello');
    const ours = await wire.send(hello());
    checkVersions(theirs.message, 'agent');
    const keyId = theirs.message.keyId ?? '';
    const secret = options.secretOf(keyId) ?? randomBytes(32);
    const transcript: Transcript = [theirs.bytes, ours];
    const { message: proof } = await wire.receive('proof');
    checkMac(proof.mac, proofMac(secret, 'dialler', transcript));
    await wire.send({ type: 'proof', mac: proofMac(secret, 'listener', transcript) });
    await wire.send({ type: 'welcome', build, mac: buildMac(secret, 'listener', transcript, build) });
    const { message: welcome } = await wire.receive('welcome');
    checkMac(welcome.mac, buildMac(secret, 'dialler', transcript, welcome.build));
    const { version, capabilities: theirCapabilities } = theirs.message;
    return { keyId, version, build: welcome.build, capabilities: theirCapabilities };
  });
}

function hello() {
  return {
    type: 'hello' as const,
    version: protocolVersion,
    minVersion: minProtocolVersion,
    capabilities: [...capabilities],
    nonce: randomBytes(nonceBytes),
  };
}
