// The part of Node's own test tools that the tests use; it spares a dependency.
declare module "node:test" {
  export function test(name: string, body: () => void | Promise<void>): void;
}

declare module "node:assert/strict" {
  const assert: {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): asserts value;
    doesNotThrow(body: () => void, message?: string): void;
  };
  export default assert;
}
