import { LichenError } from "../errors.ts";
import {
  TensorProto_DataLocation as DataLocation,
  type GraphProto,
  type ModelProto,
  type TensorProto,
} from "../onnx/generated/onnx_pb.ts";

/** Reads a file that lies beside the model, by the path that the model gives it. */
export type ReadExternal = (location: string) => Promise<Uint8Array>;

/**
 * Brings weights that an exporter has put into files of their own into the message, so that one file holds the model. Each file is
 * read once.
 * @returns the files that were read
 * @throws EXTERNAL_DATA for a path out of the model's folder, and for data beyond the file's end; what `read` throws
 * @see onnx.proto, TensorProto.external_data
 */
export async function bringInExternalData(proto: ModelProto, read: ReadExternal, at: string): Promise<string[]> {
  const files = new Map<string, Uint8Array>();
  for (const tensor of proto.graph ? tensorsOf(proto.graph) : []) {
    if (tensor.dataLocation !== DataLocation.EXTERNAL) continue;
    const place = placeOf(tensor, at);
    const bytes = files.get(place.location) ?? (await read(place.location));
    files.set(place.location, bytes);
    const end = place.length === undefined ? bytes.length : place.offset + place.length;
    if (end > bytes.length || place.offset > end) {
      throw new LichenError("EXTERNAL_DATA", {
        at: `${at}: tensor ${tensor.name}`,
        found: `bytes ${place.offset} to ${end} of ${place.location}, which has ${bytes.length}`,
        wanted: "data within the file",
      });
    }
    tensor.rawData = bytes.subarray(place.offset, end);
    tensor.dataLocation = DataLocation.DEFAULT;
    tensor.externalData = [];
  }
  return [...files.keys()];
}

/** Every tensor of a graph: initializers, attributes, those of subgraphs too. */
export function tensorsOf(graph: GraphProto): TensorProto[] {
  const attributes = graph.node.flatMap((node) => node.attribute);
  return [...graph.initializer, ...attributes.flatMap(({ t, g }) => [...(t ? [t] : []), ...(g ? tensorsOf(g) : [])])];
}

interface Place {
  location: string;
  offset: number;
  /** To the end of the file where absent. */
  length?: number;
}

function placeOf(tensor: TensorProto, file: string): Place {
  const at = `${file}: tensor ${tensor.name}`;
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get("location") ?? "";
  if (!isInside(location)) {
    throw new LichenError("EXTERNAL_DATA", {
      at,
      found: `the path «${location}»`,
      wanted: "a file in the model's own folder",
      todo: "do not trust this file; ask whoever made it for one whose data lies beside it",
    });
  }
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new LichenError("EXTERNAL_DATA", { at, found: `${key} «${text}»`, wanted: "a number of bytes" });
  };
  const length = number("length");
  return { location, offset: number("offset") ?? 0, ...(length !== undefined && { length }) };
}

/** A relative path that stays below where it starts, on any system. Links are for whoever reads the file to follow or not. */
const isInside = (location: string): boolean =>
  location !== "" &&
  !/^[/\\]|^[a-zA-Z]:|\0/.test(location) &&
  !location.split(/[/\\]/).some((part) => part === ".." || part === "");
