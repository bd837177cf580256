import { makeRehearsal } from "../../../runtime/package/rehearsal.ts";
import { evaluate } from "../../../runtime/serve/evaluate.ts";
import { cifarPictures, samplesOf, someOfEach } from "./cifar.ts";
import { CORRUPTIONS, type CorruptionName, SEVERITIES } from "./corruptions.ts";
import type { RealJob, Situation } from "./job.ts";
import { realModel } from "./models.ts";

const LABELLED_OF_EACH = 20;
const TESTED = 1000;
/** Clean pictures of the package's own training set: for people who ship a model with a rehearsal pack. */
const PACK_OF_EACH = 20;

/** A camera in the dark, out of focus, or with a noisy sensor. */
export const weather: RealJob = {
  about: `MLPerf Tiny's ResNet8 (int8) under low light, blur and noise of growing strength: ${LABELLED_OF_EACH} labelled pictures a class of CIFAR-10's training set, judged on ${TESTED} of its test set, corrupted alike. The package has a rehearsal pack of ${PACK_OF_EACH} clean training pictures a class.`,
  ways: [
    { method: "bias+scale", align: true },
    { method: "bias+scale", align: true, unlabelled: true },
  ],
  async situations() {
    const model = await realModel("mlperf-tiny-ic-int8");
    const pictures = await cifarPictures();
    if (!model || !pictures) return null;
    const { train, test } = pictures;
    const pack = samplesOf(train, someOfEach(train, 2 * PACK_OF_EACH, 0), null);
    const rehearsal = await makeRehearsal(model.model, model.card, pack, { perClass: PACK_OF_EACH });
    const base = { ...model, ...(rehearsal && { rehearsal }) };
    const tested = Array.from({ length: TESTED }, (_, at) => at);
    const clean = samplesOf(test, tested, null);
    const { accuracy: whole } = await evaluate({ model: base, samples: clean });
    return (Object.keys(CORRUPTIONS) as CorruptionName[]).flatMap((corruption) =>
      SEVERITIES.map((severity): Situation => {
        const damage = { corruption, severity };
        return {
          name: `${corruption} ${severity}`,
          model: base,
          samples: (seed) => samplesOf(train, someOfEach(train, LABELLED_OF_EACH, seed), damage),
          tests: [
            { name: "corrupted", samples: samplesOf(test, tested, damage), whole },
            { name: "clean", samples: clean },
          ],
        };
      }),
    );
  },
};
