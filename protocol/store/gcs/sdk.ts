/** What of Google's SDK is used. A file of its own in the build (sdk-google.mjs), loaded with the first GCS bucket. */
export { Storage } from '@google-cloud/storage';
