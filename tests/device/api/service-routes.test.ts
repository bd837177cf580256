import { expect, test } from "vitest";
import { createApi } from "../../../device/api/routes.ts";
import type { ServiceBoard } from "../../../device/api/service-routes.ts";
import { createLogRing } from "../../../device/operation/logs/ring.ts";

function api(more: Partial<ServiceBoard> = {}) {
  const ring = createLogRing(10);
  ring.add({ level: 30, time: 0, msg: "begun" });
  ring.add({ level: 40, time: 1000, msg: "late", code: "X", secret: "fact" });
  return createApi(new Map(), "socket", { ring, ...more });
}

test("the last log records, of a level and above", async () => {
  const all = await (await api().request("/v1/logs")).json();
  expect(all).toEqual({
    schema: "lichen/logs/1",
    records: [
      { level: "info", time: "1970-01-01T00:00:00.000Z", message: "begun" },
      { level: "warn", time: "1970-01-01T00:00:01.000Z", message: "late", code: "X" },
    ],
    next: 2,
  });
  const warnings = await (await api().request("/v1/logs?level=warn&last=1")).json();
  expect(warnings).toMatchObject({ records: [{ level: "warn" }] });
});

test.each(["level=loud", "last=-1", "last=many"])("%s is refused", async (query) => {
  const response = await api().request(`/v1/logs?${query}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: "BAD_REQUEST" });
});

test("metrics are there only for whoever wants them", async () => {
  expect((await api().request("/metrics")).status).toBe(404);
  const response = await api({ metrics: async () => "lichen_info 1\n" }).request("/metrics");
  expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  expect(await response.text()).toBe("lichen_info 1\n");
});
