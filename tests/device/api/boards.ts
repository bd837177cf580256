import type { Board } from "../../../device/api/routes.ts";

const unused = () => {
  throw new Error("not asked for");
};

/** A board that answers this, and fails where it is asked for anything else. */
export const boardThat = (answers: Partial<Board>): Board => ({
  status: unused,
  sample: unused,
  infer: unused,
  samples: unused,
  curator: { samples: unused, label: unused, export: unused, import: unused, selected: unused, purge: unused },
  adapters: unused,
  rounds: unused,
  why: unused,
  adapt: unused,
  rollBack: unused,
  use: unused,
  ...answers,
});
