// Live updates: when the server says that this page is not what it would be now, fetch it again and take over what is
// different. What somebody has open, focused, written or scrolled to stays as it is. Everything works without this file.
"use strict";

const main = document.getElementById("main");
const lamp = document.getElementById("lamp");
const QUIET_MS = 400; // so that a burst of changes is one update

// --- Taking over what is different --------------------------------------------------------------------------------

const same = (one, other) =>
  one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");

const isField = (node) => node.nodeName === "INPUT" || node.nodeName === "TEXTAREA" || node.nodeName === "SELECT";

function takeAttributes(old, now) {
  for (const each of Array.from(old.attributes))
    if (!now.hasAttribute(each.name) && each.name !== "open") old.removeAttribute(each.name);
  for (const each of Array.from(now.attributes))
    if (each.name !== "open" && old.getAttribute(each.name) !== each.value) old.setAttribute(each.name, each.value);
}

function take(old, now) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
    return;
  }
  if (isField(old) && old.type !== "hidden") return; // what somebody writes is theirs
  if (old.isEqualNode(now)) return;
  takeAttributes(old, now);
  takeChildren(old, now);
}

function takeChildren(old, now) {
  const known = new Map();
  for (const each of old.children) if (each.id) known.set(each.id, each);
  let place = old.firstChild;
  for (const wanted of Array.from(now.childNodes)) {
    let found = wanted.id ? known.get(wanted.id) : null;
    if (!found && place && same(place, wanted)) found = place;
    if (!found) {
      old.insertBefore(document.importNode(wanted, true), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    take(found, wanted);
  }
  while (place) {
    const next = place.nextSibling;
    if (!place.contains(document.activeElement)) place.remove();
    place = next;
  }
}

let updating = false;
let again = false;
let updates = 0;

async function update() {
  if (updating) { again = true; return; }
  updating = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
    if (answer.ok && !answer.redirected) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("main");
      // An anchor keeps what is being read in its place when something above it grows.
      const anchor = document.elementFromPoint(innerWidth / 2, innerHeight / 3);
      const before = anchor ? anchor.getBoundingClientRect().top : 0;
      if (now) { take(main, now); document.title = page.title; dress(); }
      if (anchor && anchor.isConnected && scrollY > 0) scrollBy(0, anchor.getBoundingClientRect().top - before);
      main.dataset.updates = String(++updates);
    }
  } catch { /* the stream says when the server is back */ }
  updating = false;
  if (again) { again = false; soon(); }
}

let timer = 0;
function soon() { clearTimeout(timer); timer = setTimeout(update, QUIET_MS); }

// --- The stream ---------------------------------------------------------------------------------------------------

let stream = null;

function say(state, words) { lamp.dataset.state = state; lamp.textContent = words; }

function listen() {
  if (stream || document.hidden || !main.dataset.live) return;
  stream = new EventSource(main.dataset.live);
  let missed = false;
  stream.onopen = () => { say("on", "live"); if (missed) soon(); missed = false; };
  stream.addEventListener("change", soon);
  stream.onerror = () => { missed = true; say("off", "not live"); if (stream && stream.readyState === 2) { stream = null; setTimeout(listen, 5000); } };
}

function rest() { if (stream) { stream.close(); stream = null; } }

// A browser has six connections to a server: pages that nobody sees leave theirs to others.
document.addEventListener("visibilitychange", () => { if (document.hidden) rest(); else { listen(); if (main.dataset.live) soon(); } });
addEventListener("pagehide", rest);

// --- What only a script can do ------------------------------------------------------------------------------------

function dress() {
  for (const each of document.querySelectorAll("pre[data-copy]:not([data-dressed])")) {
    each.dataset.dressed = "1";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain small";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(each.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    each.after(button);
  }
}

document.addEventListener("change", (event) => {
  const button = event.target.dataset && event.target.dataset.press && document.getElementById(event.target.dataset.press);
  if (button) button.click();
});

function openTarget() {
  const found = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (found && found.nodeName === "DETAILS") found.open = true;
}
addEventListener("hashchange", openTarget);

if (main && lamp) { dress(); openTarget(); if (main.dataset.live) { lamp.hidden = false; say("", "connecting"); } listen(); }
