import type { Terminal } from "../terminal.ts";
import { render, type View } from "./render.ts";
import { diff, ENTER, LEAVE, type Screen, type Size } from "./screen.ts";

/** Shows one view after the other; `end` leaves the terminal as it was. */
export interface Display {
  show(view: View): void;
  /** The terminal may have lost what was on it: all of it is sent again. */
  forget(): void;
  end(): void;
}

/** A terminal that takes escapes is drawn upon; anything else is given one plain page after the other. */
export const canDraw = ({ out, env }: Terminal): boolean => out.isTTY === true && env.TERM !== "dumb";

const USUAL: Size = { columns: 80, rows: 24 };

/** Of a line whose size nobody tells, as a serial one, the usual one. */
export const sizeOf = ({ out }: Terminal): Size => ({
  columns: out.columns || USUAL.columns,
  rows: out.rows || USUAL.rows,
});

export function drawing(terminal: Terminal): Display {
  let shown: Screen | null = null;
  let isOpen = false;
  return {
    show(view) {
      const screen = render(view, sizeOf(terminal));
      const bytes = diff(shown, screen);
      shown = screen;
      if (bytes !== "") terminal.out.write(isOpen ? bytes : ENTER + bytes);
      isOpen = true;
    },
    forget() {
      shown = null;
    },
    end() {
      if (isOpen) terminal.out.write(LEAVE);
      isOpen = false;
    },
  };
}

export function pages(terminal: Terminal): Display {
  let isFirst = true;
  return {
    show(view) {
      const { lines } = render(view, { columns: USUAL.columns, rows: 60 });
      terminal.out.write(`${isFirst ? "" : "\n"}${lines.join("\n")}\n`);
      isFirst = false;
    },
    forget() {},
    end() {},
  };
}
