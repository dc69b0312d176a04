/**
 * How long heads of HTTP messages may be.
 *
 * @module
 */

/**
 * Longest head of a request that is taken, and of an answer, in bytes: the metadata of a call is in it. The 16 KiB of
 * `limits.maxMetadata` come to 22 as encoded words, and names, path and the headers of others stand beside them. Deno's
 * own server takes as much, and cannot be told otherwise.
 */
export const LONGEST_HEAD = 65_536;
