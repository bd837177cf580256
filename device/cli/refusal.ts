/** A refusal that the daemon uttered: its code and message are its own. */
export class DaemonRefusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "DaemonRefusal";
    this.code = code;
  }
}
