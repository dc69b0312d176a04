/**
 * The code of a page: its blocks of TypeScript, and what they print.
 *
 * @module
 */

/** A block of TypeScript. */
export interface Snippet {
  /** The line of the page on which it begins. */
  readonly line: number;
  readonly code: string;
  /** Its name, if its first line is a comment that begins with one: `// main.ts`. */
  readonly file: string | undefined;
  /** What it prints: the block of text that follows it, with nothing but space between. */
  readonly output: string | undefined;
}

/**
 * Finds the blocks of TypeScript of a page.
 *
 * @param markdown The page.
 */
export function snippetsOf(markdown: string): Snippet[] {
  const found: Snippet[] = [];
  const blocks = [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  for (const [index, block] of blocks.entries()) {
    const [whole, language, code = ""] = block;
    if (language !== "ts") continue;
    const next = blocks[index + 1];
    const between = markdown.slice(block.index + whole.length, next?.index);
    found.push({
      line: markdown.slice(0, block.index).split("\n").length,
      code,
      file: /^\/\/ (\w+\.ts)\b/.exec(code)?.[1],
      output: next?.[1] === "text" && between.trim() === "" ? next[2] : undefined,
    });
  }
  return found;
}
