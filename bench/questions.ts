/**
 * Finds the questions: every folder with a `question.ts`.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Question } from "./question.ts";

/**
 * Loads questions, in the page's order.
 *
 * @param names Which; none: all.
 * @throws {RangeError} When there is no such question, naming those there are.
 */
export async function questions(names: readonly string[] = []): Promise<Question[]> {
  const root = new URL("./", import.meta.url);
  const all = (await readdir(fileURLToPath(root), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && existsSync(new URL(`${entry.name}/question.ts`, root)))
    .map(({ name }) => name)
    .sort();
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`No question is called "${unknown}". There are: ${all.join(", ")}`);
  }
  const loaded = await Promise.all((names.length === 0 ? all : names).map(async (name) => {
    const { default: question } = await import(new URL(`${name}/question.ts`, root).href) as {
      default: Question;
    };
    if (question.name !== name) {
      throw new TypeError(`bench/${name}/question.ts calls itself "${question.name}"`);
    }
    return question;
  }));
  return loaded.sort((a, b) => a.order - b.order);
}
