import fc from "fast-check";
import { expect, test } from "vitest";
import { assignRoles, forgotten, judges, NO_ROLES, newSamples, rolesOf } from "../../../device/rounds/roles.ts";

const hash = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 });
const samples = fc
  .uniqueArray(fc.record({ sha256: hash, label: fc.constantFrom("a", "b", "c") }), { selector: ({ sha256 }) => sha256 })
  .map((drawn) => drawn.map((sample) => ({ ...sample, path: sample.sha256, bytes: 1 })));

test("each sample has one role, each class keeps a share apart and something to train on", () => {
  fc.assert(
    fc.property(samples, fc.double({ min: 0.05, max: 0.5, noNaN: true }), (all, share) => {
      const { train, heldOut } = assignRoles(all, NO_ROLES, share);
      expect(new Set([...train, ...heldOut])).toEqual(new Set(all));
      expect(train.length + heldOut.length).toBe(all.length);
      for (const label of ["a", "b", "c"]) {
        const count = (list: readonly { label: string }[]) => list.filter((sample) => sample.label === label).length;
        if (count(all) > 1) expect(count(heldOut)).toBeGreaterThan(0);
        if (count(all) > 0) expect(count(train)).toBeGreaterThan(0);
      }
    }),
  );
});

test("a role once given stays, whatever comes later: nothing trained on ever judges", () => {
  fc.assert(
    fc.property(samples, samples, (early, late) => {
      const first = assignRoles(early, NO_ROLES, 0.2);
      const second = assignRoles([...early, ...late], rolesOf(first), 0.2);
      expect(second.heldOut).toEqual(expect.arrayContaining([...first.heldOut]));
      expect(second.train).toEqual(expect.arrayContaining([...first.train]));
    }),
  );
});

test("after a round nothing is new, and foreign adapters are judged by held-out and new samples only", () => {
  fc.assert(
    fc.property(samples, samples, (early, late) => {
      const known = new Set(early.map(({ sha256 }) => sha256));
      const later = late.filter(({ sha256 }) => !known.has(sha256));
      const assignment = assignRoles(early, NO_ROLES, 0.2);
      const roles = rolesOf(assignment);
      expect(newSamples(early, roles)).toEqual([]);
      expect(newSamples([...early, ...later], roles)).toEqual(later);
      expect(judges([...early, ...later], roles)).toEqual([...assignment.heldOut, ...later]);
    }),
  );
});

test("a sample that became something else is new if it is there, and what was learnt from it is not built upon", () => {
  fc.assert(
    fc.property(samples, fc.func(fc.boolean()), (all, becomesAnother) => {
      const roles = rolesOf(assignRoles(all, NO_ROLES, 0.2));
      const changed = all.filter(({ sha256 }) => becomesAnother(sha256));
      const hashes = changed.map(({ sha256 }) => sha256);
      const rest = forgotten(roles, hashes);
      expect(newSamples(all, rest)).toEqual(changed);
      expect(rest.startAfresh ?? false).toBe(roles.trained.some((sha256) => hashes.includes(sha256)));
      // Until a round has been done without it.
      expect(rolesOf(assignRoles(all, rest, 0.2)).startAfresh).toBe(undefined);
    }),
  );
});

test("what only the model itself believes is trained on and never judges, neither here nor an adapter of the fleet", () => {
  fc.assert(
    fc.property(samples, samples, (said, believed) => {
      const all = [
        ...said.map((sample) => ({ ...sample, origin: "person" as const })),
        ...believed
          .filter(({ sha256 }) => !said.some((other) => other.sha256 === sha256))
          .map((sample) => ({ ...sample, origin: "confidence" as const })),
      ];
      const isBelieved = ({ origin }: { origin?: string | null }) => origin === "confidence";
      const { train, heldOut } = assignRoles(all, NO_ROLES, 0.2);
      expect(heldOut.filter(isBelieved)).toEqual([]);
      expect(train.filter(isBelieved)).toEqual(all.filter(isBelieved));
      expect(judges(all, NO_ROLES).filter(isBelieved)).toEqual([]);
    }),
  );
});
