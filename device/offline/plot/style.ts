/** Colours of a plot, for paper and for the dark. */
interface Palette {
  paper: string;
  ink: string;
  muted: string;
  grid: string;
  accent: string;
}

const LIGHT: Palette = { paper: "#ffffff", ink: "#1c2126", muted: "#59626b", grid: "#dfe3e7", accent: "#0b7261" };
const DARK: Palette = { paper: "#14181b", ink: "#e8ebed", muted: "#9aa4ad", grid: "#2c3338", accent: "#5fd0b4" };

/** Written out for both, not by variables: some viewers of SVG know none. */
const coloured = ({ paper, ink, muted, grid, accent }: Palette): string => `
.paper{fill:${paper}}
text{fill:${ink}}
.tick,.axis{fill:${muted}}
.grid{stroke:${grid}}
.reference{stroke:${muted}}
.front,.bar,.on,.off{stroke:${accent}}
.on{fill:${accent}}
.off{fill:${paper}}
.leader{stroke:${muted}}
.label{stroke:${paper}}`;

export const STYLE = `
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.title{font-size:17px;font-weight:600}
.tick,.axis{font-size:12px}
.best{font-weight:600}
.grid{stroke-width:1}
.faint{opacity:.45}
.reference{stroke-width:1;stroke-dasharray:5 4}
.front{fill:none;stroke-width:1.5;opacity:.35}
.bar{fill:none;stroke-width:1.2;opacity:.7}
.on,.off{stroke-width:1.6}
.leader{stroke-width:1}
.label{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}
${coloured(LIGHT)}
@media (prefers-color-scheme: dark){${coloured(DARK)}
}
`;
