import * as z from "zod";

/** What is to go wrong in a process, told in its environment as JSON. */
export const faultSchema = z.strictObject({
  /** A file that each step of the disk is written into, one a line. */
  steps: z.string().optional(),
  /** The power goes at one step of one of the two processes, counted from 1. */
  powerCut: z
    .strictObject({
      process: z.enum(["daemon", "trainer"]),
      step: z.int().positive(),
      /** `half`: of what is written, half is there. */
      at: z.enum(["before", "half", "after"]),
      /** A folder on the same file system: with it, all that was not synced is lost, as a medium may lose it; without it, none of it. */
      vault: z.string().optional(),
    })
    .optional(),
  /** While this file is there, it holds a code (`ENOSPC`, `EROFS`) with which the disk refuses whatever would change it. */
  refusal: z.string().optional(),
  /** This file holds the milliseconds by which the wall clock is wrong. */
  clockError: z.string().optional(),
  /** This file says how many times faster waits of over a second pass: hours of them in seconds. */
  haste: z.string().optional(),
});

export type Fault = z.infer<typeof faultSchema>;

export const FAULT_VARIABLE = "LICHEN_FAULT";
