/** Where a request came in. */
export type Door = "socket" | "http";
