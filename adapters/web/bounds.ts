/**
 * Bounds that hosts have, whichever server is beneath them.
 *
 * @module
 */

/**
 * Longest head of a request that is taken, and of an answer, in bytes: the metadata of a call is in it. The 16 KiB of
 * `limits.maxMetadata` come to 22 as encoded words, and names, path and the headers of others stand beside them. Deno's
 * own server takes as much, and cannot be told otherwise.
 */
export const LONGEST_HEAD = 65_536;

/**
 * Connections that may wait to be accepted, unless the system allows fewer. The 511 of Node and Deno are too few for a Go
 * client with thousands of calls at once, which opens a connection for each: Linux resets some of what is beyond. Bun has
 * 512, and cannot be told otherwise.
 */
export const BACKLOG = 4_096;
