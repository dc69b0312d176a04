/**
 * What the lint rules ask of a syntax tree: is this name a use of a value, and is it the global one?
 *
 * `deno lint` gives plugins no scopes. The names in question are few, so the scopes around one are looked through
 * when it is met, from the inside out.
 *
 * @module
 */

/** A node of the tree, as far as needed here: ESTree with TypeScript's additions. */
export interface Syntax {
  /** What it is: `Identifier`. */
  readonly type: string;
  /** Where it begins and ends in the file's text. */
  readonly range: readonly [number, number];
  /** What it is part of; `undefined` at the top. */
  readonly parent?: Syntax;
  /** Its other parts. */
  readonly [part: string]: unknown;
}

/** What `deno lint` calls for the nodes it meets, by their type. */
export type Visitor = Record<string, (node: Syntax) => void>;

/** What a rule is told of the file it looks at: the part of Deno's own type that the rules here use. */
export interface RuleContext {
  /** The file's absolute path. */
  readonly filename: string;
  /** The file's text. */
  readonly sourceCode: { readonly text: string };
  /** Makes a complaint. */
  report(complaint: { node: Syntax; message: string; hint?: string }): void;
}

/** The nodes of TypeScript that hold values; inside of every other one whose name begins with TS there are types. */
const TS_VALUES = new Set([
  "TSAsExpression",
  "TSSatisfiesExpression",
  "TSNonNullExpression",
  "TSTypeAssertion",
  "TSInstantiationExpression",
  "TSEnumDeclaration",
  "TSEnumBody",
  "TSEnumMember",
  "TSModuleDeclaration",
  "TSModuleBlock",
  "TSExportAssignment",
  "TSParameterProperty",
  "TSAbstractMethodDefinition",
  "TSAbstractPropertyDefinition",
  "TSDeclareFunction",
  "TSEmptyBodyFunctionExpression",
]);

/** What changes an expression's type and not its value. */
const CASTS = new Set([
  "TSAsExpression",
  "TSSatisfiesExpression",
  "TSNonNullExpression",
  "TSTypeAssertion",
  "ChainExpression",
]);

/**
 * Whether a name is a use of a value: not a property's name, not a label, not part of a type or an import.
 *
 * @param node The identifier.
 */
export function isReference(node: Syntax): boolean {
  const parent = node.parent;
  if (!parent) return false;
  switch (parent.type) {
    case "MemberExpression":
      if (parent.property === node && !parent.computed) return false;
      break;
    case "Property":
      // Of the shorthand `{ process }` both halves are visited: the value counts.
      if (parent.key === node && !parent.computed) return false;
      break;
    case "MethodDefinition":
    case "PropertyDefinition":
    case "AccessorProperty":
    case "TSAbstractMethodDefinition":
    case "TSAbstractPropertyDefinition":
    case "TSEnumMember":
      if ((parent.key ?? parent.id) === node && !parent.computed) return false;
      break;
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "MetaProperty":
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
    case "ImportAttribute":
    case "ExportSpecifier":
    case "ExportAllDeclaration":
      return false;
  }
  for (let at: Syntax | undefined = parent; at; at = at.parent) {
    if (at.type.startsWith("TS") && !TS_VALUES.has(at.type)) return false;
    if (/Statement$|^Program$/.test(at.type)) return true;
  }
  return true;
}

/**
 * Whether no scope around a name declares it.
 *
 * @param node The identifier.
 */
export function isGlobal(node: Syntax): boolean {
  const name = node.name as string;
  for (let at = node.parent; at; at = at.parent) {
    if (declaredBy(at).includes(name)) return false;
  }
  return true;
}

/**
 * The members that an expression uses of an object: `x.name`, `x["name"]`, `const { name, other } = x`.
 *
 * @param node The object.
 * @returns Their names; `undefined`: it is used as a value, or by a key that is computed.
 */
export function bareMembers(node: Syntax): string[] | undefined {
  const whole = unwrap(node);
  const parent = whole.parent!;
  if (parent.type === "MemberExpression" && parent.object === whole) {
    const name = keyOf(parent.property as Syntax, parent.computed === true);
    return name === undefined ? undefined : [name];
  }
  const pattern = parent.type === "VariableDeclarator" && parent.init === whole
    ? parent.id as Syntax
    : parent.type === "AssignmentExpression" && parent.right === whole
    ? parent.left as Syntax
    : undefined;
  if (pattern?.type !== "ObjectPattern") return undefined;
  const names: string[] = [];
  for (const property of pattern.properties as Syntax[]) {
    if (property.type !== "Property") return undefined;
    const name = keyOf(property.key as Syntax, property.computed === true);
    if (name === undefined) return undefined;
    names.push(name);
  }
  return names;
}

/**
 * Whether a class is only asked whether a value is one of its own: `value instanceof Date`.
 *
 * @param node The class's name.
 */
export function isInstanceCheck(node: Syntax): boolean {
  const parent = node.parent;
  return parent?.type === "BinaryExpression" && parent.operator === "instanceof" && parent.right === node;
}

/**
 * The expression with the casts around it: of `(x as Y)!.z` the part before `.z`.
 *
 * @param node What the casts are around.
 */
export function unwrap(node: Syntax): Syntax {
  let whole = node;
  while (whole.parent && CASTS.has(whole.parent.type) && whole.parent.expression === whole) {
    whole = whole.parent;
  }
  return whole;
}

function keyOf(key: Syntax, computed: boolean): string | undefined {
  if (!computed) return String(key.name ?? key.value);
  return key.type === "Literal" && typeof key.value === "string" ? key.value : undefined;
}

function declaredBy(scope: Syntax): string[] {
  switch (scope.type) {
    case "Program":
    case "BlockStatement":
    case "StaticBlock":
    case "TSModuleBlock":
      return (scope.body as Syntax[]).flatMap(declaredIn);
    case "SwitchStatement":
      return (scope.cases as Syntax[]).flatMap((one) => (one.consequent as Syntax[]).flatMap(declaredIn));
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
    case "TSDeclareFunction":
    case "TSEmptyBodyFunctionExpression":
      return [...namesIn(scope.id), ...(scope.params as Syntax[]).flatMap(namesIn)];
    case "ClassDeclaration":
    case "ClassExpression":
      return namesIn(scope.id);
    case "ForStatement":
      return declaredIn(scope.init);
    case "ForInStatement":
    case "ForOfStatement":
      return declaredIn(scope.left);
    case "CatchClause":
      return namesIn(scope.param);
    default:
      return [];
  }
}

// `var` is banned by another rule, so that what a block declares is its own.
function declaredIn(part: unknown): string[] {
  const statement = part as Syntax | null | undefined;
  // `declare const process: …` only promises that there is such a global.
  if (!statement || statement.declare === true) return [];
  switch (statement.type) {
    case "VariableDeclaration":
      return (statement.declarations as Syntax[]).flatMap((one) => namesIn(one.id));
    case "FunctionDeclaration":
    case "ClassDeclaration":
    case "TSDeclareFunction":
    case "TSEnumDeclaration":
    case "TSModuleDeclaration":
      return namesIn(statement.id);
    case "ImportDeclaration":
      return (statement.specifiers as Syntax[]).flatMap((one) => namesIn(one.local));
    case "ExportNamedDeclaration":
    case "ExportDefaultDeclaration":
      return declaredIn(statement.declaration);
    default:
      return [];
  }
}

function namesIn(part: unknown): string[] {
  const pattern = part as Syntax | null | undefined;
  switch (pattern?.type) {
    case "Identifier":
      return [pattern.name as string];
    case "ObjectPattern":
      return (pattern.properties as Syntax[]).flatMap((one) =>
        namesIn(one.type === "Property" ? one.value : one)
      );
    case "ArrayPattern":
      return (pattern.elements as unknown[]).flatMap(namesIn);
    case "AssignmentPattern":
      return namesIn(pattern.left);
    case "RestElement":
      return namesIn(pattern.argument);
    case "TSParameterProperty":
      return namesIn(pattern.parameter);
    default:
      return [];
  }
}
