import { samplesSchema } from "../../api/schemas.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { bytes, show, table } from "../terminal.ts";

export const addSamples: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("samples", "the labelled samples on this board, by class").action(async (options: OnlineOptions) => {
      const answer = await clientOf(options).get("/v1/samples", samplesSchema);
      const rows = [...new Set(answer.samples.map(({ label }) => label))].map((label) => {
        const ofClass = answer.samples.filter((sample) => sample.label === label);
        const size = ofClass.reduce((sum, sample) => sum + sample.bytes, 0);
        return [label, ofClass.length, ofClass.filter((sample) => sample.new).length, bytes(size)];
      });
      show(terminal, options.json === true, answer, table(["class", "samples", "new", "size"], rows));
    }),
  );
