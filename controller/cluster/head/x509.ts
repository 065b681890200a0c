/** What makes certificates. A file of its own in the build (x509.mjs), loaded when a head is to serve its workers. */
// The library wants it loaded first.
import 'reflect-metadata';

export { cryptoProvider, X509CertificateGenerator } from '@peculiar/x509';
