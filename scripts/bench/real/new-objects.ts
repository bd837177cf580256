import { existsSync } from "node:fs";
import path from "node:path";
import { readDataset } from "../../../device/offline/dataset.ts";
import { createPreprocessor, type Sample } from "../../../runtime/index.ts";
import { makeRehearsal } from "../../../runtime/package/rehearsal.ts";
import { trashnetFolder } from "../../datasets/shared.ts";
import { cifarPictures, samplesOf, someOfEach } from "./cifar.ts";
import type { RealJob } from "./job.ts";
import { realModel } from "./models.ts";

const NEW = ["cardboard", "glass", "paper"];
const PACK_OF_EACH = 50;
const OLD_TESTED = 1000;

/** Three kinds of waste beside ten things; nobody collects the ten again. */
export const newObjects: RealJob = {
  about: `MLPerf Tiny's ResNet8 (int8, CIFAR-10) learns ${NEW.join(", ")} of TrashNet at 32×32 pixels beside its ten classes. The package has a rehearsal pack of ${PACK_OF_EACH} CIFAR-10 training pictures a class; the old classes are judged on ${OLD_TESTED} pictures of the test set, the new ones on TrashNet's val split.`,
  ways: [
    { method: "head", classes: "extend", rehearsalMix: 1 },
    { method: "head+bias", classes: "extend", rehearsalMix: 1 },
  ],
  async situations() {
    const model = await realModel("mlperf-tiny-ic-int8");
    const pictures = await cifarPictures();
    const data = trashnetFolder();
    if (!model || !pictures || !existsSync(data)) return null;
    const { train, test } = pictures;
    const pack = samplesOf(train, someOfEach(train, 2 * PACK_OF_EACH, 0), null);
    const rehearsal = await makeRehearsal(model.model, model.card, pack, { perClass: PACK_OF_EACH });
    const preprocessor = createPreprocessor(model.card.preprocessing);
    const waste = async (part: string): Promise<Sample[]> =>
      (await readDataset(path.join(data, part), preprocessor)).filter(({ label }) => NEW.includes(label as string));
    const [samples, val] = [await waste("train"), await waste("val")];
    const old = Array.from({ length: OLD_TESTED }, (_, at) => at);
    return [
      {
        name: "three kinds of waste",
        model: { ...model, ...(rehearsal && { rehearsal }) },
        samples: () => samples,
        tests: [
          { name: "old classes", samples: samplesOf(test, old, null) },
          { name: "new classes", samples: val },
        ],
      },
    ];
  },
};
