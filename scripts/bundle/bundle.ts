import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { packageRoot } from "../../device/package-root.ts";

/** Programs of a board, below `dist/`; each keeps its place, since they find each other by it. */
const PROGRAMS = ["device/lichen.js", "device/lichend.js", "device/rounds/trainer.js"];

/** What brings machine code of its own, or is loaded only by those who need it. */
const LEFT_OUT = ["onnxruntime-node", "sharp", "libsql", "mqtt"];

/**
 * Writes the programs of a board as few files, in place of seven hundred modules: what nobody calls is left out, and Node holds and
 * starts less of everything.
 */
export async function bundle(folder: string): Promise<void> {
  const dist = join(packageRoot(), "dist");
  await build({
    absWorkingDir: packageRoot(),
    entryPoints: PROGRAMS.map((program) => join(dist, program)),
    outbase: dist,
    outdir: folder,
    chunkNames: "device/parts/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // Names stay: they stand in stack traces, which come from boards that nobody can look into.
    minifyWhitespace: true,
    minifySyntax: true,
    keepNames: false,
    external: LEFT_OUT,
    plugins: [englishOnly, ownModules],
    // Packages written for CommonJS ask for Node's own modules.
    banner: {
      js: 'import{createRequire as moduleRequire}from"node:module";const require=moduleRequire(import.meta.url);',
    },
    logLevel: "error",
  });
}

/** zod brings its messages in fifty languages; English is asked for by name, elsewhere. */
const englishOnly: Plugin = {
  name: "english-only",
  setup({ onLoad }) {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

/** A module of Lichen does nothing when it is loaded: one from which nothing is used goes. */
const ownModules: Plugin = {
  name: "own-modules",
  setup(build) {
    build.onResolve({ filter: /^\.{1,2}\// }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (pluginData === ASKED || kind === "entry-point" || importer.includes("node_modules")) return undefined;
      const found = await build.resolve(path, { importer, resolveDir, kind, pluginData: ASKED });
      return { path: found.path, external: found.external, errors: found.errors, sideEffects: false };
    });
  },
};

/** Of a question that the plugin has put itself. */
const ASKED = "asked";
