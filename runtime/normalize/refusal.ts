/** Why a rule cannot rewrite its node; the pass collects them, so that a model's owner hears of all at once. */
export class Refusal extends Error {
  /** What is wrong with the node, where its operator's name does not say it. */
  readonly found: string;
  readonly todo: string;

  constructor(found: string, todo: string) {
    super(`${found}; ${todo}`);
    this.found = found;
    this.todo = todo;
  }
}
