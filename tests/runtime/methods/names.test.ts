import { expect, it } from "vitest";
import { ADAPTIVE, METHODS, parseMethods } from "../../../runtime/methods/index.ts";

it("a mistyped method is told with all there are, adaptive too", () => {
  const all = [...METHODS.map(({ name }) => name), ADAPTIVE];
  for (const name of all)
    expect(() => parseMethods("lroa")).toThrow(new RegExp(`^UNKNOWN_METHOD.*«lroa».*\\b${name}\\b`));
  expect(() => parseMethods("head+")).toThrow(/^UNKNOWN_METHOD.*found «»/);
});

it("adaptive among others is no unknown method: it stands alone", () => {
  expect(() => parseMethods("adaptive+head")).toThrow(/^BAD_ARGUMENT.*adaptive.*wanted it alone/);
});

it("a mistyped setting is told with those that there are, and a wrong value with its name", () => {
  expect(() => parseMethods("lora:rnak=4")).toThrow(/found rnak=4; wanted some of rank, down\)/);
  expect(() => parseMethods("bias:rank=4")).toThrow(/method bias: settings; found rank=4; wanted none/);
  expect(() => parseMethods("lora:rank=0,down=trained")).toThrow(
    /method lora: rank; found rank=0,down=trained; wanted/,
  );
});
