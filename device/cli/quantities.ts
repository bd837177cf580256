import { InvalidArgumentError } from "commander";

/**
 * What options may be given as: each function reads one, for commander's `argParser`. The unit is in the text, and in the name of
 * what comes out of it.
 * @throws InvalidArgumentError, which commander puts behind the option's name
 */

const SIZE_UNITS: Units = {
  B: 1,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

const DURATION_UNITS: Units = { ms: 0.001, s: 1, min: 60, h: 3600 };

/** `32MiB`, `64 KiB`, `1.5MB`, `4096` → whole bytes, rounded down: a budget is never exceeded by rounding. */
export const sizeInBytes = (text: string): number =>
  atLeast(1, Math.floor(quantity(text, SIZE_UNITS, "B", "4096, 64KiB or 32MiB")), "a size of at least one byte");

/** `60`, `60s`, `2min`, `1.5h`, `500ms` → seconds. */
export const durationInSeconds = (text: string): number =>
  moreThanZero(quantity(text, DURATION_UNITS, "s", "60, 60s or 2min"), "a duration longer than nothing");

/** `auto`, or a positive number. */
export const learningRate = (text: string): "auto" | number => {
  if (text.trim() === "auto") return "auto";
  if (!isNumeral(text)) throw wanted(text, "«auto» or a number such as 0.003");
  return moreThanZero(Number(text), "«auto» or a positive number");
};

/** `bias,scale` → ["bias", "scale"]; empty parts and repetitions are mistakes. */
export function list(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.includes("")) throw wanted(text, "names with single commas between them");
  const repeated = parts.find((part, at) => parts.indexOf(part) < at);
  if (repeated !== undefined) throw wanted(text, `each name once; «${repeated}» stands there twice`);
  return parts;
}

/** Any number from 0. */
export function number(text: string): number {
  if (!isNumeral(text)) throw wanted(text, "a number from 0");
  return Number(text);
}

/** `0.485,0.456,0.406`: one number or several, negative ones too. */
export const numbers = (text: string): number[] =>
  text.split(",").map((part) => {
    if (isNumeral(part.replace(/^\s*-/, ""))) return Number(part);
    throw wanted(text, "a number, or several with commas between them");
  });

/** `224x224` → [224, 224], width first; `16000` → [16000]. */
export function dimensions(text: string): number[] {
  const parts = text.split(/[x×]/i);
  if (parts.length > 2 || !parts.every((part) => /^\s*[1-9]\d{0,8}\s*$/.test(part)))
    throw wanted(text, "width and height, as in 224x224, or one whole number");
  return parts.map(Number);
}

/** A part of a whole, the whole itself excepted. */
export function share(text: string): number {
  const value = number(text);
  if (value >= 1) throw wanted(text, "a number from 0 to below 1");
  return value;
}

/** `auto`, or any number from 0. */
export const weight = (text: string): "auto" | number => (text.trim() === "auto" ? "auto" : number(text));

/** A whole number from 1. */
export function count(text: string): number {
  if (!/^\s*\d+\s*$/.test(text)) throw wanted(text, "a whole number from 1");
  return atLeast(1, Number(text), "a whole number from 1");
}

/** Units by name; a name is found in any case, as long as that leaves one. */
type Units = Readonly<Record<string, number>>;

function quantity(text: string, units: Units, bare: string, examples: string): number {
  const [, amount = "", unit = ""] = /^\s*([\d.eE+-]*\d\.?)\s*([a-zA-Z]*)\s*$/.exec(text) ?? [];
  const name = unit === "" ? bare : Object.keys(units).find((each) => each.toLowerCase() === unit.toLowerCase());
  if (!isNumeral(amount)) throw wanted(text, `a number with a unit, such as ${examples}`);
  if (name === undefined) throw wanted(text, `one of the units ${Object.keys(units).join(", ")}, as in ${examples}`);
  return Number(amount) * units[name]!;
}

/** Digits, at most one point, perhaps an exponent: not what else JavaScript takes for a number (`0x10`, `Infinity`, ``). */
const isNumeral = (text: string): boolean =>
  /^\s*(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) && Number(text) < Infinity;

function atLeast(least: number, value: number, what: string): number {
  if (value >= least && Number.isSafeInteger(value)) return value;
  throw wanted(value, what);
}

function moreThanZero(value: number, what: string): number {
  if (value > 0 && Number.isFinite(value)) return value;
  throw wanted(value, what);
}

const wanted = (found: string | number, what: string) => new InvalidArgumentError(`Found «${found}», wanted ${what}.`);
