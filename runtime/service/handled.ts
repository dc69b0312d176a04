/**
 * What a service serves: the definitions it was given, and the functions that `subscribe` was given, as one more.
 *
 * @module
 */

import { checkServiceName, DEFAULT_VERSION, handlerOf, type ServiceDefinition } from "../definition.ts";
import type { AnySchema } from "../schema.ts";
import type { ServiceOptions } from "./options.ts";
import type { Origins } from "./origins.ts";

/** A definition and the object whose members serve it. */
export interface Handled {
  /** What is served. */
  readonly definition: ServiceDefinition;
  /** By what. */
  readonly implementation: object;
}

/** A function that takes the events of a topic. */
export interface Subscribed {
  /** The topic. */
  readonly topic: string;
  /** The function: event and context. */
  readonly handler: unknown;
  /** Schema of an event. */
  readonly schema?: AnySchema;
  /** Group of subscribers of which one gets each event. */
  readonly queue?: string;
}

/** Said of a definition that {@link servesNothing}. */
export const NOTHING_SERVED =
  "the service has nothing to call: none of its members has @Method or @Subscribe";

/** Whether a definition has neither endpoints nor subscriptions, as of a class whose members lack their decorators. */
export function servesNothing({ endpoints, subscriptions }: ServiceDefinition): boolean {
  return endpoints.length === 0 && subscriptions.length === 0;
}

/**
 * Everything that a service serves.
 *
 * @param given What `handle` and `subscribe` were given.
 * @param options `name` and `version` are those of what has none of its own; `named` is `--server_name`, which beats a
 * class's own; `origins` says which flag or variable that was.
 * @throws {TypeError} If there is nothing to serve, or `named` would name several.
 */
export function servedBy(
  given: { readonly handled: readonly Handled[]; readonly subscribed: readonly Subscribed[] },
  options: Pick<ServiceOptions, "name" | "version"> & {
    readonly named: string | undefined;
    readonly origins: Origins;
  },
): readonly Handled[] {
  const { named, version } = options;
  if (named !== undefined) checkServiceName(named);
  const handled = given.handled.map(({ definition, implementation }) => ({
    definition: version === undefined || definition.version !== DEFAULT_VERSION
      ? definition
      : { ...definition, version },
    implementation,
  }));
  if (named !== undefined && handled.length > 0) {
    if (handled.length > 1) {
      throw options.origins.wrong(
        ["name"],
        `${options.origins.nameOf("name")} names one service, and this process serves ${
          handled.map(({ definition }) => definition.name).join(", ")
        }`,
      );
    }
    handled[0] = { ...handled[0]!, definition: { ...handled[0]!.definition, name: named } };
  }
  if (given.subscribed.length === 0) {
    if (handled.length > 0) return handled;
    if (options.name === undefined) {
      throw new TypeError(
        "The service has nothing to serve: give it a name, or call handle with a decorated class",
      );
    }
  }
  return withSubscriptions(handled, given.subscribed, options);
}

function withSubscriptions(
  handled: readonly Handled[],
  subscribed: readonly Subscribed[],
  options: Pick<ServiceOptions, "name" | "version">,
): readonly Handled[] {
  const [first] = handled;
  if (options.name === undefined && first === undefined) {
    throw new TypeError(
      `The subscription to ${
        subscribed[0]!.topic
      } has no service to belong to: give the service a name, or call ` +
        `handle with a decorated class`,
    );
  }
  const members: Record<string, unknown> = {};
  const subscriptions = subscribed.map(({ topic, schema, queue, handler }, index) => {
    const member = `on${index + 1}`;
    members[member] = handler;
    return { topic, member, input: schema, queue };
  });
  const name = options.name ?? `${first!.definition.name}.events`;
  if (!handled.some(({ definition }) => definition.name === name)) {
    return [...handled, {
      definition: {
        name,
        version: options.version ?? DEFAULT_VERSION,
        handler: handlerOf(name),
        metadata: {},
        forward: [],
        endpoints: [],
        subscriptions,
      },
      implementation: members,
    }];
  }
  // The name is a class's already: its record carries these subscriptions, too.
  return handled.map((one) =>
    one.definition.name === name
      ? {
        definition: {
          ...one.definition,
          subscriptions: [...one.definition.subscriptions, ...subscriptions],
        },
        implementation: withMembers(one.implementation, members),
      }
      : one
  );
}

/** An object with more members, which leaves the class instance it stands before as it is. */
function withMembers(implementation: object, members: Record<string, unknown>): object {
  return new Proxy(implementation, {
    get(target, member) {
      if (typeof member === "string" && Object.hasOwn(members, member)) return members[member];
      const value = Reflect.get(target, member, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
