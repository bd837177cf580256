import { DATA_FOLDER } from "../../device/operation/installation.ts";
import { SERVICE } from "../../device/operation/unit.ts";

/** What Debian is told of the package: all texts of its control part, pure. */

export const ARCHITECTURES = {
  amd64: { cpu: "x64" },
  arm64: { cpu: "arm64" },
} as const;

export type Architecture = keyof typeof ARCHITECTURES;

export const PACKAGE = "lichen";

export interface PackageFacts {
  readonly version: string;
  readonly architecture: Architecture;
  readonly maintainer: string;
  readonly installedBytes: number;
}

/** @see Debian Policy 5.3 */
export const control = ({ version, architecture, maintainer, installedBytes }: PackageFacts): string => `\
Package: ${PACKAGE}
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${Math.ceil(installedBytes / 1024)}
Depends: ${DEPENDS.join(", ")}
Section: misc
Priority: optional
Description: adapts a frozen vision or audio model on this board
 A frozen int8 model stays as it is; lichend grows thin adapters on it from
 labelled samples that never leave the board, serves what passes its gate,
 and shares adapters over MQTT if it is told to.
 .
 The lichen command looks after the daemon over SSH, and trains, judges and
 merges adapters without it.
`;

const DEPENDS = [
  "nodejs (>= 20.9)",
  // What ONNX Runtime's binaries ask for.
  "libc6 (>= 2.28)",
  "libstdc++6 (>= 8)",
  "libgcc-s1 (>= 3.3)",
  // StateDirectory and its like, and a systemd-notify that waits until it was heard.
  "systemd (>= 247)",
];

/** Files of the administrator's, which an upgrade asks about. */
export const conffiles = (paths: readonly string[]): string => paths.map((path) => `${path}\n`).join("");

/** The user first, then the service, as debhelper's own snippets go about it; a unit that was disabled stays so. */
export const POSTINST = `#!/bin/sh
set -e

if [ "$1" = configure ] || [ "$1" = abort-upgrade ] || [ "$1" = abort-deconfigure ] || [ "$1" = abort-remove ]; then
	systemd-sysusers ${PACKAGE}.conf
	systemd-tmpfiles --create ${PACKAGE}.conf
	deb-systemd-helper unmask ${SERVICE} >/dev/null || true
	if deb-systemd-helper --quiet was-enabled ${SERVICE}; then
		deb-systemd-helper enable ${SERVICE} >/dev/null || true
	else
		deb-systemd-helper update-state ${SERVICE} >/dev/null || true
	fi
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			deb-systemd-invoke restart ${SERVICE} >/dev/null || true
		else
			deb-systemd-invoke start ${SERVICE} >/dev/null || true
		fi
	fi
fi
`;

/** On an upgrade the old version serves until the new one is unpacked and configured. */
export const PRERM = `#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop ${SERVICE} >/dev/null || true
fi
`;

/** What the board has learnt goes with \`purge\` only. */
export const POSTRM = `#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
	if command -v deb-systemd-helper >/dev/null; then
		deb-systemd-helper purge ${SERVICE} >/dev/null || true
	fi
	rm -rf ${DATA_FOLDER}
	if getent passwd ${PACKAGE} >/dev/null; then
		userdel ${PACKAGE} >/dev/null || true
	fi
fi
`;

/** @param date RFC 5322, as \`date -R\` writes it */
export const changelog = (version: string, maintainer: string, date: string): string => `\
${PACKAGE} (${version}) unstable; urgency=medium

  * See /usr/share/doc/${PACKAGE}/changelog.gz.

 -- ${maintainer}  ${date}
`;

export interface Licensed {
  readonly path: string;
  readonly name: string;
  readonly license: string;
}

/** @see the machine-readable format of Debian, 1.0. The texts lie in each package's own folder. */
export const copyright = (packages: readonly Licensed[]): string => `\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Lichen

Files: *
Copyright: 2026, the authors of Lichen
License: Apache-2.0
${packages.map(({ path, name, license }) => `\nFiles: ${path}/*\nCopyright: the authors of ${name}\nLicense: ${license}\n`).join("")}
License: Apache-2.0
 On Debian systems, the text of the licence is in
 /usr/share/common-licenses/Apache-2.0.
${[...new Set(packages.map(({ license }) => license))]
  .filter((license) => license !== "Apache-2.0")
  .map((license) => `\nLicense: ${license}\n See the licence files in the folders of the packages named above.\n`)
  .join("")}`;

/** What lintian finds and is meant to be so, each with its reason. */
export const LINTIAN_OVERRIDES = `\
# Binaries by others come as their authors built and tested them.
${PACKAGE}: embedded-library *
${PACKAGE}: unstripped-binary-or-object *
${PACKAGE}: hardening-no-fortify-functions *
${PACKAGE}: hardening-no-relro *
${PACKAGE}: library-not-linked-against-libc *
${PACKAGE}: sharedobject-in-library-directory-missing-soname *
${PACKAGE}: shared-library-lacks-prerequisites *
${PACKAGE}: custom-library-search-path *
${PACKAGE}: embedded-javascript-library *
# npm packages lie beside each other in a private folder, with their licences.
${PACKAGE}: extra-license-file *
${PACKAGE}: package-contains-documentation-outside-usr-share-doc *
# What npm packages call scripts is run by Node or by nobody.
${PACKAGE}: script-not-executable *
# Tensors, whose first bytes a font could have.
${PACKAGE}: truetype-font-wrong-filename *
# The commands explain themselves: lichen COMMAND --help.
${PACKAGE}: no-manual-page *
`;
