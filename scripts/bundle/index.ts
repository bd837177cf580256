/** `npm run bundle [folder]`: the board's programs as few files, as the package for Debian carries them. */
import { bundle } from "./bundle.ts";

await bundle(process.argv[2] ?? "dist/bundled");
