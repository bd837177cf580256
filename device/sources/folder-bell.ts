import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import type { Logger } from "pino";

/** Rings when something in one of some folders may have changed. It says nothing of what: whoever hears it looks. */
export interface FolderBell {
  /** From now on these are listened to, and no others. A folder that is another under the same name is listened to anew. */
  listenTo(folders: readonly string[]): Promise<void>;
  close(): void;
}

export function createFolderBell(ring: () => void, log: Logger): FolderBell {
  const listened = new Map<string, { readonly watcher: FSWatcher; readonly inode: number }>();

  function leave(folder: string): void {
    listened.get(folder)?.watcher.close();
    listened.delete(folder);
  }

  async function listen(folder: string): Promise<void> {
    const inode = (await stat(folder)).ino;
    if (listened.get(folder)?.inode === inode) return;
    leave(folder);
    const watcher = watch(folder, { persistent: false }, ring);
    watcher.on("error", () => leave(folder));
    listened.set(folder, { watcher, inode });
  }

  return {
    async listenTo(folders) {
      for (const folder of listened.keys()) if (!folders.includes(folder)) leave(folder);
      for (const folder of folders) {
        // A folder that is gone again, or too many of them (inotify(7)): it is looked through now and then all the same.
        await listen(folder).catch((error) => log.debug({ err: error, folder }, "the folder cannot be listened to"));
      }
    },
    close() {
      for (const folder of [...listened.keys()]) leave(folder);
    },
  };
}
