import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type * as z from "zod";
import { FRESH, shelfSchema } from "../../../device/adapters/state.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { stateFile } from "../../../device/disk/state-file.ts";
import { historySchema, NO_HISTORY } from "../../../device/rounds/record.ts";
import { NO_ROLES, rolesSchema } from "../../../device/rounds/roles.ts";
import { temporaryFolder } from "../fixtures.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);
const metrics = { heldOut: { samples: 5, accuracy: 0.8, loss: 0.5 }, rehearsal: null };

/** A data folder as the first version wrote it, byte by byte but for line breaks. */
const FIRST_VERSION: Readonly<Record<string, readonly [schema: z.ZodType, fresh: unknown, content: object]>> = {
  "adapters/state.json": [
    shelfSchema,
    FRESH,
    { format: 1, version: 3, current: A, previous: null, refused: [{ sha256: B, reason: "ROLLED_BACK" }] },
  ],
  "rounds/roles.json": [rolesSchema, NO_ROLES, { format: 1, trained: [A], heldOut: [B] }],
  "rounds/history.json": [
    historySchema,
    NO_HISTORY,
    {
      format: 1,
      nextId: 3,
      rounds: [
        {
          id: 1,
          kind: "train",
          trigger: "samples",
          startedAt: "2026-05-01T00:00:00.000Z",
          seconds: 4.2,
          samples: { train: 24, heldOut: 6 },
          adapter: A,
          metrics: { before: metrics, after: metrics },
          outcome: { tag: "accepted", reason: "GAINED", explanation: "better" },
        },
        {
          id: 2,
          kind: "appraise",
          trigger: "fleet",
          startedAt: "1970-01-01T00:00:10.000Z",
          seconds: null,
          samples: { train: 0, heldOut: 6 },
          adapter: null,
          metrics: null,
          outcome: { tag: "failed", code: "ROUND_INTERRUPTED", message: "cut off" },
        },
      ],
    },
  ],
};

async function written(name: string, content: object): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(content, null, 1)}\n`);
  return path;
}

test.each(Object.entries(FIRST_VERSION))(
  "%s of the first version is read, whole",
  async (name, [schema, fresh, content]) => {
    const path = await written(name, content);
    expect(await stateFile(nodeDisk, path, schema, fresh).load()).toEqual({ value: content, damage: [] });
  },
);

test.each([
  ["a later format", { format: 2 }],
  ["a field that came later", { laterField: true }],
])("%s is refused by code, kept, and the value before it serves", async (_, change) => {
  for (const [name, [schema, fresh, content]] of Object.entries(FIRST_VERSION)) {
    const later = { ...content, ...change };
    const path = await written(name, later);
    await writeFile(path.replace(/\.json$/, ".previous.json"), JSON.stringify(content));
    const { value, damage } = await stateFile(nodeDisk, path, schema, fresh).load();
    expect(value).toEqual(content);
    expect(damage).toMatchObject([{ code: "STATE_NEWER", details: { at: path } }]);
    expect(JSON.parse(await readFile(`${path}.other-version`, "utf8"))).toEqual(later);
  }
});

test("what is broken is damage, whatever format it claims", async () => {
  const path = await written("state.json", { format: 1, version: "three", current: A, previous: null, refused: [] });
  const { damage } = await stateFile(nodeDisk, path, shelfSchema, FRESH).load();
  expect(damage).toMatchObject([{ code: "STATE_CORRUPT" }]);
});
