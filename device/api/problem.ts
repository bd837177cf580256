import { errorCode } from "../../runtime/errors.ts";

/** An error as the API tells it. */
export const problem = (error: unknown) => ({
  code: errorCode(error),
  message: error instanceof Error ? error.message : String(error),
});
