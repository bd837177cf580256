import { expect, test } from "vitest";
import { assignments, createNotifier, type NotifierPorts } from "../../../device/operation/notify.ts";

function notifier(env: NodeJS.ProcessEnv, run: NotifierPorts["run"] = async () => {}) {
  const said: string[] = [];
  return { ...createNotifier({ env, pid: 7, run, warn: (message) => void said.push(message) }), said };
}

test("without a service manager nothing is started", async () => {
  const { tell, watchdogMs } = notifier({}, async () => {
    throw new Error("it was started");
  });
  await tell({ tag: "ready" });
  expect(watchdogMs).toBeNull();
});

test.each([
  [{ WATCHDOG_USEC: "60000000" }, 60_000],
  [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" }, 60_000],
  [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" }, null],
  [{ WATCHDOG_USEC: "soon" }, null],
  [{}, null],
])("of %j the watchdog waits for %s ms", (variables, milliseconds) => {
  expect(notifier({ NOTIFY_SOCKET: "/run/x", ...variables }).watchdogMs).toBe(milliseconds);
});

test("its variables leave the environment, so that no child speaks for the daemon", () => {
  const env = { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "1", WATCHDOG_PID: "7", PATH: "/bin" };
  notifier(env);
  expect(env).toEqual({ PATH: "/bin" });
});

test("notices go out one after the other, in their order", async () => {
  const events: string[] = [];
  const { tell } = notifier({ NOTIFY_SOCKET: "/run/x" }, async (_, words) => {
    events.push(`begin ${words.join(" ")}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    events.push("end");
  });
  await Promise.all([tell({ tag: "ready" }, { tag: "status", text: "a" }), tell({ tag: "stopping" })]);
  expect(events).toEqual(["begin READY=1 STATUS=a", "end", "begin STOPPING=1", "end"]);
});

test("what cannot be sent is told once, until something was sent again", async () => {
  let isThere = false;
  const { tell, said } = notifier({ NOTIFY_SOCKET: "/run/x" }, async () => {
    if (!isThere) throw new Error("ENOENT");
  });
  await tell({ tag: "ready" });
  await tell({ tag: "watchdog" });
  expect(said).toEqual(["systemd cannot be told anything: ENOENT"]);
  isThere = true;
  await tell({ tag: "watchdog" });
  isThere = false;
  await tell({ tag: "watchdog" });
  expect(said).toHaveLength(2);
});

test("a status cannot smuggle in another assignment", () => {
  expect(assignments({ tag: "status", text: "a\nMAINPID=1" })).toEqual(["STATUS=a MAINPID=1"]);
});
