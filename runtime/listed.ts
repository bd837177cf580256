/** Names in a sentence: the first of them and how many there are, for a model of a thousand classes would fill the screen. */
export const listed = (names: readonly string[], most = 12): string =>
  names.length <= most ? names.join(", ") : `${names.slice(0, most).join(", ")}, … (${names.length} in all)`;
