import * as z from "zod";

/** What is trained where, in a form that fits into an adapter's description. */
export const planSpecSchema = z.array(
  z.object({
    method: z.string(),
    /** A layer, or a module's site. */
    at: z.string(),
    settings: z.record(z.string(), z.union([z.number(), z.string()])).default({}),
  }),
);

export type PlanSpec = z.infer<typeof planSpecSchema>;
