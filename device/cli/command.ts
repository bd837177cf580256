import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { SOCKET_PATH } from "../operation/installation.ts";
import { type Client, createClient } from "./client.ts";
import type { Terminal } from "./terminal.ts";

/** A module of `commands/`: adds its command to the program. */
export type AddCommand = (program: Command, terminal: Terminal) => void;

export interface OnlineOptions {
  readonly json?: true;
  readonly socket: string;
  /** Which of the daemon's models; without it the first. */
  readonly of?: string;
}

/** Of a daemon started here by hand, else of the installed one. */
const defaultSocket = (): string => {
  const here = "data/lichend.sock";
  return !existsSync(here) && existsSync(SOCKET_PATH) ? SOCKET_PATH : here;
};

export const jsonOption = () => new Option("--json", "print the result as JSON, and nothing else on stdout");

export const socketOption = () =>
  new Option("--socket <path>", "the daemon's socket")
    .env("LICHEN_SOCKET")
    // An empty variable is as good as none; an empty path would be a port of this machine.
    .argParser((path) => path || defaultSocket())
    .default(defaultSocket());

const ofOption = () => new Option("--of <model>", "which of the daemon's models; the first, without it");

/** A command that asks the daemon. */
export const onlineCommand = (name: string, description: string): Command =>
  new Command(name).description(description).addOption(socketOption()).addOption(ofOption()).addOption(jsonOption());

/** One that is about the daemon as a whole, whatever models it serves. */
export const serviceCommand = (name: string, description: string): Command =>
  new Command(name).description(description).addOption(socketOption()).addOption(jsonOption());

export const clientOf = ({ socket, of }: OnlineOptions): Client => createClient(socket, of);
