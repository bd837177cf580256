import { startBroker } from "../../../scripts/broker.ts";
import { syncContract } from "./contract.ts";

syncContract("the embedded broker", startBroker, "3.1.1");
