import { LichenError } from "../errors.ts";

/** Formats of model files that can be imported. */
export type ModelFormat = "onnx" | "tflite";

/**
 * The format of a model file, by its bytes and not by its name. ONNX has no mark of its own: it is what nothing else is.
 * @throws MODEL_CORRUPT for files that are known to be something else
 */
export function formatOf(bytes: Uint8Array, at: string): ModelFormat {
  if (bytes.length === 0) throw notAModel(at, "an empty file", "copy the file again");
  const kind = KINDS.find(({ mark, offset = 0 }) => mark.every((byte, n) => bytes[offset + n] === byte));
  if (!kind) return "onnx";
  if (kind.format) return kind.format;
  throw notAModel(at, kind.what, kind.todo);
}

interface Kind {
  /** Bytes that files of this kind have at `offset`. */
  mark: readonly number[];
  offset?: number;
  format?: ModelFormat;
  what: string;
  todo: string;
}

const ascii = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));

const EXPORT = "export the model to ONNX (torch.onnx.export, tf2onnx) or convert it to TFLite, and import that";
const NAME_THE_MODEL = "name the model's file, an .onnx or a .tflite";

const KINDS: readonly Kind[] = [
  { mark: ascii("TFL3"), offset: 4, format: "tflite", what: "a TFLite model", todo: "" },
  {
    mark: ascii("ORTM"),
    offset: 4,
    what: "a model in ONNX Runtime's own format",
    todo: "import the .onnx that it was made of",
  },
  {
    mark: ascii("PK\x03\x04"),
    what: "a zip archive, as PyTorch (.pt, .pth) and Keras (.keras) write their models",
    todo: EXPORT,
  },
  { mark: [0x89, ...ascii("HDF")], what: "an HDF5 file, as Keras (.h5) writes its models", todo: EXPORT },
  { mark: [0x80, 0x02], what: "a Python pickle, as PyTorch once wrote its models", todo: EXPORT },
  { mark: [0x1f, 0x8b], what: "a gzip archive", todo: "unpack it, and import the model in it" },
  { mark: [0xff, 0xd8, 0xff], what: "a JPEG picture", todo: NAME_THE_MODEL },
  { mark: [0x89, ...ascii("PNG")], what: "a PNG picture", todo: NAME_THE_MODEL },
  { mark: ascii("RIFF"), what: "a WAV or WebP file", todo: NAME_THE_MODEL },
  { mark: ascii("{"), what: "a text file", todo: NAME_THE_MODEL },
  { mark: ascii("<"), what: "a text file", todo: NAME_THE_MODEL },
  {
    mark: ascii("version https://git-lfs"),
    what: "a pointer of Git LFS, not the file itself",
    todo: "fetch the file itself with git lfs pull",
  },
];

const notAModel = (at: string, found: string, todo: string) =>
  new LichenError("MODEL_CORRUPT", { at, found, wanted: "an ONNX or TFLite model", todo });
