/**
 * Misuse that the compiler sees in the standard dialect alone: to the legacy one a getter of a function and a method
 * are one type (at start both dialects refuse it), and a type parameter is its bound. Checked by `types_test.ts`, never run.
 *
 * @module
 */

import { z } from "zod";
import { Method } from "../../decorators/method.ts";

const Name = z.object({ name: z.string() });

export class Functions {
  // @ts-expect-error: a getter
  @Method()
  get getter() {
    return () => {};
  }

  // @ts-expect-error: an accessor
  @Method()
  accessor accessor = () => {};

  // @ts-expect-error: a generic method
  @Method({ input: Name, output: Name })
  generic<T extends { name: string }>(value: T) {
    return { name: value.name };
  }
}
