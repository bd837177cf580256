export { cacheName, type RowIdentity, rowKey, type StoreIdentity, type View, viewRandom } from "./key.ts";
export { type Field, packRow, type RowLayout, rowLayout, unpackRows } from "./layout.ts";
export { createMemoryRows } from "./memory.ts";
export type { RowStore } from "./rows.ts";
