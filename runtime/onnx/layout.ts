/** The permutation [N, C, …] → [N, …, C]. */
export const channelsLast = (rank: number): number[] => [0, ...places(rank).map((axis) => axis + 2), 1];

/** The permutation [N, …, C] → [N, C, …]. */
export const channelsFirst = (rank: number): number[] => [0, rank - 1, ...places(rank).map((axis) => axis + 1)];

const places = (rank: number): number[] => [...Array(rank - 2).keys()];
