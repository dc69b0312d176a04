/**
 * Decorators: a class becomes a {@link ServiceDefinition}, plain data.
 *
 * @module
 */

export { Method, type MethodOptions } from "./method.ts";
export { definitionOf, scan, type Scanned } from "./scan.ts";
export { Service, type ServiceOptions } from "./service.ts";
export { Subscribe, type SubscribeNameOptions, type SubscribeTopicOptions } from "./subscribe.ts";
export { topic } from "./topic.ts";
export type {
  AnyClass,
  Bidi,
  ClientStream,
  Faithful,
  MaybeSchema,
  MethodDecoratorOf,
  Misfit,
  Parsed,
  Runnable,
  ServerStream,
  ServiceDecorator,
  ServiceOf,
  Shape,
  SubscribeDecoratorOf,
  Subscriber,
  Unary,
  Wire,
} from "./types.ts";
