import { expect, test } from "vitest";
import { syncContract } from "../device/sync/contract.ts";
import { mosquittoIsHere, startMosquitto } from "./mosquitto.ts";

if (mosquittoIsHere()) {
  syncContract("Mosquitto", startMosquitto, "5");
} else {
  const required = process.env.LICHEN_REQUIRE_SYSTEM === "1";
  if (!required) console.warn("SKIPPED: mosquitto is not installed (apt-get install mosquitto)");
  test.skipIf(!required)("Mosquitto is installed", () => expect(mosquittoIsHere()).toBe(true));
}
