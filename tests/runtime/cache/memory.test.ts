import { createMemoryRows } from "../../../runtime/cache/index.ts";
import { rowStoreContract } from "./contract.ts";

rowStoreContract("memory", async (options) => createMemoryRows(options));
