/** Set by scripts/build.mjs: the version of the package, and digests of what was bundled. */
declare const TOWLINE_VERSION: string;
declare const TOWLINE_BUILD: string;
declare const TOWLINE_AGENT_BUILD: string;
