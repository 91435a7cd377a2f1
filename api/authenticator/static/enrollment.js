// Says when the ticket of this page was used; without this script the page works as well.
//
// The ticket is asked about in a header, never in an address of its own, and leaves the address
// bar as soon as it is good for nothing more.

const EVERY_MS = 2000;
const ticket = new URLSearchParams(location.search).get("ticket");
const status = document.getElementById("status");

async function ask() {
  const answer = await fetch("/mfa/enrollment/status", {
    headers: { Authorization: `Ticket id="${ticket}"` },
    cache: "no-store",
  });
  if (answer.status === 404) return "gone";
  return answer.ok ? (await answer.json()).status : "open"; // a server that is away comes back
}

function end(state) {
  document.getElementById("ways").hidden = true;
  status.textContent = status.dataset[state];
  history.replaceState(null, "", location.pathname);
}

async function watch() {
  // A page that nobody looks at asks nothing.
  const state = document.hidden ? "open" : await ask().catch(() => "open");
  if (state === "open") setTimeout(watch, EVERY_MS);
  else end(state);
}

// Whoever stays on this device leaves this page for good: its address is not kept behind them.
document.querySelector("#ways a").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab, another history
  event.preventDefault();
  location.replace(event.currentTarget.href);
});

watch();
