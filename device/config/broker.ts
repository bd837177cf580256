import * as z from "zod";

const address = z.url({ protocol: /^(mqtts?|wss?)$/, error: "an address such as mqtt://host:1883" });

const login = {
  username: z.string().min(1).optional().describe("As whom the broker knows this board."),
  password: z.string().optional().describe("It is never shown, and never logged."),
};

/** Keys of a broker that has to be named. */
export const brokerKeys = {
  broker: address.describe("Address of the broker, `mqtt://host:1883` or `mqtts://…`."),
  ...login,
};

/** Keys of a broker that is the fleet's where none is named. */
export const brokerOrFleetsKeys = {
  broker: address
    .optional()
    .describe(
      "Address of the broker, `mqtt://host:1883` or `mqtts://…`; without it, the fleet's, with its username and password.",
    ),
  ...login,
};
