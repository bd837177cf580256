import fc from "fast-check";
import { expect, test } from "vitest";
import { createLogRing } from "../../../../device/operation/logs/ring.ts";

const record = (msg: string) => ({ level: 30, time: 0, msg });

test("whoever asks for what came after sees each record once, however often they ask", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 20 }), (bursts) => {
      const ring = createLogRing(10);
      const seen: string[] = [];
      let next = 0;
      let said = 0;
      for (const burst of bursts) {
        for (let i = 0; i < burst; i++) ring.add(record(`${said++}`));
        seen.push(...ring.records({ level: 0, last: 100, after: next }).map(({ msg }) => msg));
        next = ring.added();
      }
      expect(seen).toEqual(Array.from({ length: said }, (_, at) => `${at}`));
    }),
  );
});

test("what has left the ring meanwhile is not there, and what is left is", () => {
  const ring = createLogRing(2);
  for (const msg of ["a", "b", "c"]) ring.add(record(msg));
  expect(ring.records({ level: 0, last: 10, after: 0 }).map(({ msg }) => msg)).toEqual(["b", "c"]);
  expect(ring.records({ level: 0, last: 10, after: 3 })).toEqual([]);
});
