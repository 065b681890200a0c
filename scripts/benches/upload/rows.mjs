// What is uploaded, and with which flags rclone does it best.
export const width = '--transfers 32 --checkers 32';
/** It lists at once, and believes the listing's times: without that it asks for each object. */
const believing = `${width} --fast-list --update --use-server-modtime`;
export const files = { objects: 10_000, bytes: 10_000 };
export const edited = 100;

export const rows = [
  { key: 'first', text: 'first upload', fresh: true, must: 0.8, rcloneBest: undefined },
  { key: 'no-op', text: 'the same again, nothing changed', rcloneBest: believing },
  { key: 'edit', text: `the same again, ${edited} of them edited`, edits: true, rcloneBest: believing },
];
