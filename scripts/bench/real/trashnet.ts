import { existsSync } from "node:fs";
import path from "node:path";
import { readDataset } from "../../../device/offline/dataset.ts";
import { createPreprocessor } from "../../../runtime/index.ts";
import { trashnetFolder } from "../../datasets/shared.ts";
import type { RealJob, Way } from "./job.ts";
import { realModel } from "./models.ts";

const transfer: Omit<Way, "method"> = { classes: "replace", holdOut: 0.1 };

/**
 * Photographs of waste for a network of a thousand other things, in the official split. That whole layers do better than their biases,
 * and eleven of them than one, was seen on the same val, by one seed each.
 */
export const trashnet: RealJob = {
  about:
    "MobileNetV2 1.0 (224 px, int8, ImageNet) → TrashNet: 1,768 pictures of 6 kinds to learn from, 328 others to judge by.",
  ways: [
    { ...transfer, method: "head" },
    {
      ...transfer,
      method: "head+bias+scale",
      targets: ["last:11"],
      views: 4,
      epochs: 20,
      patience: 20,
      labelSmoothing: 0.1,
    },
    { ...transfer, method: "full", targets: ["last:11"], views: 4, epochs: 15, patience: 15, labelSmoothing: 0.1 },
  ],
  async situations() {
    const model = await realModel("mobilenet-v2-int8-labels");
    const data = trashnetFolder();
    if (!model || !existsSync(data)) return null;
    const preprocessor = createPreprocessor(model.card.preprocessing);
    const [train, val] = await Promise.all(
      ["train", "val"].map((part) => readDataset(path.join(data, part), preprocessor)),
    );
    return [{ name: "TrashNet", model, samples: () => train!, tests: [{ name: "val", samples: val! }] }];
  },
};
