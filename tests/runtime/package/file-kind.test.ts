import { expect, it } from "vitest";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { formatOf } from "../../../runtime/package/file-kind.ts";
import { toyModel } from "../toy.ts";

const text = (content: string) => new TextEncoder().encode(content);

it("tells formats by their bytes", () => {
  expect(formatOf(encodeModel(toyModel()), "net.tflite")).toBe("onnx");
  expect(formatOf(text("\x1c\0\0\0TFL3"), "net.onnx")).toBe("tflite");
});

it.each<[string, Uint8Array, RegExp]>([
  ["an empty file", new Uint8Array(), /empty/],
  ["a picture", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), /JPEG/],
  ["a checkpoint of PyTorch", text("PK\x03\x04archive"), /zip archive.*PyTorch.*torch\.onnx\.export/],
  ["a model of Keras", Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d), /HDF5.*Keras.*tf2onnx/],
  ["a pointer of Git LFS", text("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/],
  ["a card", text('{"format": 1}'), /text file/],
])("says what %s is, and what to do", (_, bytes, message) => {
  expect(() => formatOf(bytes, "some.onnx")).toThrow(/^MODEL_CORRUPT: .*some\.onnx/);
  expect(() => formatOf(bytes, "some.onnx")).toThrow(message);
});
