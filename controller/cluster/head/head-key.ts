import { KeyObject, randomBytes, randomUUID, webcrypto } from 'node:crypto';

/** What the head of a cluster proves itself with to its workers, and they to it: for one copy, in memory only. */
export interface HeadKey {
  readonly keyId: string;
  /** 32 bytes. */
  readonly secret: Buffer<ArrayBuffer>;
  /** Both PEM. */
  readonly certificate: string;
  readonly privateKey: string;
}

const dayMs = 86_400_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** The certificate is known by its bytes, so its name says nothing; it begins a day ago, for nodes whose clocks are behind. */
export async function makeHeadKey(): Promise<HeadKey> {
  const { cryptoProvider, X509CertificateGenerator } = await import('./x509.ts');
  cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=towline-head',
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + 30 * dayMs),
    keys,
    signingAlgorithm: algorithm,
  });
  return {
    keyId: randomUUID(),
    secret: randomBytes(32),
    certificate: `${certificate.toString('pem')}\n`,
    privateKey: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
