// What this browser keeps (IndexedDB): accounts with their keys, the person's own answers, and a
// few settings. A CryptoKey is stored as itself, so that it is never text.

const ANSWERS_KEPT = 200; // of each account

let database = null;

/** Opened once, and again when the browser has closed it: emptied by the person, or short of space. */
function opened() {
  database ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open("nod", 1);
    opening.onupgradeneeded = () => {
      const made = opening.result;
      made.createObjectStore("accounts", { keyPath: "id" });
      made.createObjectStore("answers", { autoIncrement: true }).createIndex("account", "account");
      made.createObjectStore("settings");
    };
    opening.onsuccess = () => {
      opening.result.onclose = () => (database = null);
      opening.result.onversionchange = () => {
        opening.result.close(); // another tab has a later release, or deletes it all
        database = null;
      };
      resolve(opening.result);
    };
    opening.onerror = () => reject(opening.error);
  });
  return database;
}

/** Run steps over some stores; done when they are on disk. */
async function within(mode, names, steps) {
  const transaction = (await opened()).transaction(names, mode);
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  const result = steps(...names.map((name) => transaction.objectStore(name)));
  await done;
  return result?.result;
}

/** Raises DOMException where a key cannot be kept: some private windows keep everything else. */
export const tryToKeep = (key) =>
  within("readwrite", ["settings"], (store) => {
    store.put(key, "tried");
    store.delete("tried");
  });

const accountsInOrder = (accounts) => accounts.sort((a, b) => a.enrolledAt - b.enrolledAt);

export const accounts = async () =>
  accountsInOrder(await within("readonly", ["accounts"], (store) => store.getAll()));

export const keepAccount = (account) =>
  within("readwrite", ["accounts"], (store) => void store.put(account));

/** Nothing happens when it was forgotten meanwhile, here or in another tab. */
export const changeAccount = (id, changes) =>
  within("readwrite", ["accounts"], (store) => {
    const asked = store.get(id);
    asked.onsuccess = () => asked.result && store.put({ ...asked.result, ...changes });
  });

/** The key goes with it, and nothing can bring it back. */
export const forgetAccount = (id) =>
  within("readwrite", ["accounts", "answers"], (kept, answers) => {
    kept.delete(id);
    deleteEach(answers.index("account").openKeyCursor(id), answers);
  });

/** An answer of this person: `{account, at, client, message, answer}`; the oldest make room. */
export const keepAnswer = (answer) =>
  within("readwrite", ["answers"], (store) => {
    store.add(answer);
    const keys = store.index("account").getAllKeys(answer.account);
    keys.onsuccess = () => keys.result.slice(0, -ANSWERS_KEPT).forEach((key) => store.delete(key));
  });

/** The newest first. */
export const answers = async (account) =>
  (
    await within("readonly", ["answers"], (store) => store.index("account").getAll(account))
  ).reverse();

export const forgetAnswers = (account) =>
  within("readwrite", ["answers"], (store) =>
    deleteEach(store.index("account").openKeyCursor(account), store),
  );

export const setting = (name) => within("readonly", ["settings"], (store) => store.get(name));

export const keepSetting = (name, value) =>
  within("readwrite", ["settings"], (store) => void store.put(value, name));

function deleteEach(cursors, store) {
  cursors.onsuccess = () => {
    const cursor = cursors.result;
    if (!cursor) return;
    store.delete(cursor.primaryKey);
    cursor.continue();
  };
}
