/** What of Google's libraries is used. A file of its own in the build (sdk-google.mjs), loaded with the first bucket that a node opens itself. */
export { GoogleAuth } from 'google-auth-library';
