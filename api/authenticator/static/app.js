// The page: which view is shown, what its address says, what it tells aloud. Tests find things by
// data-test: see the attributes in view_*.js (request, approve, deny, not-me, number, card, ended, ...).

import { Authenticator } from "./authenticator.js";
import { connectionLine } from "./connection_line.js";
import { h } from "./dom.js";
import { startWorker } from "./push.js";
import { nameOf } from "./requests.js";
import { keepSetting, setting } from "./storage.js";
import { accountsView } from "./view_accounts.js";
import { enrolledView, enrollView } from "./view_enroll.js";
import { historyView } from "./view_history.js";
import { listView } from "./view_list.js";
import { mailboxView } from "./view_mailbox.js";
import { requestView } from "./view_request.js";
import { preferred, say, speak, spoken } from "./words.js";

const VIEWS = {
  list: listView,
  request: requestView,
  accounts: accountsView,
  history: historyView,
  enroll: enrollView,
  enrolled: enrolledView,
  mailbox: mailboxView,
};
const NAVIGATION = ["list", "accounts", "history"];
const TOLD_SHOWN_MS = 4_000;
const byId = (id) => document.getElementById(id);

const authenticator = new Authenticator();
const page = { authenticator, go, announce };
const drawConnection = connectionLine(byId("connection"), authenticator);
let current = null; // {name, given, view}
let isReplaced = false; // a new release has been installed: this page is the old one

/** Show a view; the browser's own way back leads to the list. No address ever says which it is. */
function go(name, ...given) {
  const from = current;
  if (name !== "list" && !history.state?.inside) history.pushState({ inside: true }, "");
  show(name, ...given);
  if (name === "list" && from?.name === "request") current.view.focus?.(from.given[0].id);
}

function back() {
  if (!authenticator.isEmpty && current?.name !== "list") go("list");
}

/** Where nothing is under way, nor an answer on its way, the page becomes that of the new release. */
function renew() {
  if (isReplaced && current?.name === "list" && !authenticator.isBusy) location.reload();
}

function show(name, ...given) {
  current?.view.close();
  const view = VIEWS[name](page, ...given);
  current = { name, given, view };
  byId("main").replaceChildren(view.element);
  for (const button of byId("nav").children) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  view.element.querySelector("h1")?.focus();
  renew();
}

let told;

/** Say something to who cannot see it, or for a moment to all; the same words twice are said twice. */
function announce(text, visibly = false) {
  const region = byId("announcement");
  clearTimeout(told);
  region.classList.toggle("unseen", !visibly);
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
  if (visibly) told = setTimeout(() => (region.textContent = ""), TOLD_SHOWN_MS);
}

function drawFrame() {
  speak(spoken());
  byId("skip").textContent = say("skip");
  byId("brand").textContent = authenticator.config.name || say("title");
  byId("language").value = spoken();
  const nav = byId("nav");
  nav.setAttribute("aria-label", say("nav.label"));
  nav.replaceChildren(
    ...NAVIGATION.map((view) =>
      h(
        "button",
        { type: "button", "data-view": view, "data-test": `nav-${view}`, onclick: () => go(view) },
        say(`nav.${view}`),
      ),
    ),
  );
  if (current) show(current.name, ...current.given);
  drawTitle();
  drawConnection();
}

function drawTitle() {
  const waiting = authenticator.requests.all.length;
  const name = authenticator.config.name || say("title");
  document.title = waiting ? `(${waiting}) ${name}` : name;
}

function accountsChanged() {
  byId("nav").hidden = authenticator.accounts.length === 0;
  byId("brand").textContent = authenticator.config.name || say("title");
  drawTitle();
  if (authenticator.isEmpty && current?.name === "list") go("enroll");
}

const announced = new WeakSet();

function changed({ detail: entry }) {
  drawTitle();
  if (!entry.consent || entry.ended || announced.has(entry) || entry.account.mailbox) return;
  announced.add(entry);
  announce(say("list.new", { client: nameOf(entry.consent.client) }));
}

/** Open the request of a link or a notification, whichever account has it. */
async function open(id, mailboxToken) {
  if (!current && !authenticator.isEmpty) go("list"); // while the server is asked
  const entry = authenticator.requests.get(id) ?? (await authenticator.find(id));
  if (entry) go("request", entry);
  else if (mailboxToken) go("mailbox", mailboxToken);
  else if (authenticator.accounts.length) go("list", true);
  else go("enroll", "", true);
}

/** What a link said behind its #, which no server sees; gone from the address before all else. */
function takeFragment() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(history.state, "", location.pathname);
  return said;
}

function follow(said) {
  if (said.get("ticket")) return go("enroll", said.get("ticket"));
  if (said.get("consent")) return open(said.get("consent"), said.get("mailbox"));
  return current ?? go(authenticator.accounts.length ? "list" : "enroll");
}

async function start(said) {
  speak((await setting("language").catch(() => undefined)) ?? preferred());
  authenticator.addEventListener("accounts", accountsChanged);
  authenticator.addEventListener("connection", drawConnection);
  authenticator.requests.addEventListener("arrived", changed);
  authenticator.requests.addEventListener("changed", changed);
  drawFrame();
  await authenticator.start();
  accountsChanged();
  await follow(said);
}

byId("language").addEventListener("change", ({ target }) => {
  speak(target.value);
  keepSetting("language", target.value);
  drawFrame();
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays as it is
  byId("main").focus();
});
addEventListener("keydown", (event) => {
  const isTaken = event.isComposing || document.querySelector("dialog[open]");
  if (event.key === "Escape" && !isTaken) back();
});
addEventListener("popstate", back);
addEventListener("hashchange", () => follow(takeFragment()));
addEventListener("online", () => authenticator.wake());
addEventListener("offline", () => authenticator.cut());
document.addEventListener("visibilitychange", () => document.hidden || authenticator.wake());

history.scrollRestoration = "manual";
const started = start(takeFragment());
startWorker({
  told: ({ open: id }) => (id ? started.then(() => open(id)) : authenticator.wake()),
  replaced: () => {
    isReplaced = true;
    renew();
  },
});
started.catch((error) => {
  byId("main").replaceChildren(
    h(
      "p",
      { class: "problem", role: "alert" },
      say(error instanceof DOMException ? "enroll.noStorage" : "error.unexpected"),
    ),
  );
  throw error;
});
