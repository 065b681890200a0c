/** Limits on everything a peer may send, checked before memory is taken. Bytes unless named otherwise. */
export const limits = {
  /** A frame before the peer has proved who it is. */
  handshakeFrameBytes: 4096,
  /** A control message. Larger things travel as data. */
  controlFrameBytes: 1 << 20,
  /** Values (map keys count too) of one control message, and how deep they may be nested. */
  messageValues: 1 << 18,
  messageDepth: 32,
  /** Control messages waiting for a peer that does not read. */
  controlBacklogBytes: 16 << 20,
  /** Payload of one data frame. */
  dataFrameBytes: (1 << 20) + (1 << 16),
  /** Credit a receiver may have outstanding on one stream. */
  streamWindowBytes: 64 << 20,
  /** What a data frame costs of its stream's credit besides its payload: about what keeping it takes. */
  dataFrameOverheadBytes: 512,
  /** Bytes that may go with a call, beside its parameters; and those of all calls that wait for theirs. */
  callPayloadBytes: 1 << 20,
  payloadsUnderWayBytes: 16 << 20,
  /** Calls under way in one direction of a link. */
  callsUnderWay: 256,
  /** A path from the root. */
  pathBytes: 4096,
  /** Entries of one manifest. */
  manifestEntries: 8_000_000,
  /** Encoded manifest block, after decompression. */
  manifestBlockBytes: 16 << 20,
  /** Unpacked contents of one pack. */
  packBytes: 8 << 20,
  /** A job's script. */
  scriptBytes: 512 << 10,
  /** Roots of one task, named in a call. */
  rootsNamed: 1000,
  /** Paths that are ignored at a source, named with a pull. */
  ignoredNamed: 1000,
  /** A key of a bucket, in UTF-8, and the names and values of an object's metadata together. */
  keyBytes: 1024,
  metadataBytes: 8192,
  /** Keys of one page of a listing, or of one deletion, together. */
  pageKeyBytes: 256 << 10,
  /** Problems, and conflicts, named in one result; the rest are counted. */
  problemsNamed: 100,
  conflictsNamed: 100,
  /** Kept versions of one page, and the bytes of their paths together (the first may have more). */
  keptVersions: 1000,
  keptPathBytes: 256 << 10,
} as const;
