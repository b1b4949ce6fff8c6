// Applies the batches that the server sends for this page. Every text of an element comes from the
// server's templates, which have escaped it.
"use strict";

const status = document.getElementById("live");
let source = null;

function show(text, state) {
  if (status.textContent !== text) {
    status.textContent = text;
    status.className = "live " + state;
    status.hidden = false;
  }
}

function element(html) {
  const t = document.createElement("template");
  t.innerHTML = html.trim();
  return t.content.firstElementChild;
}

function apply(batch) {
  const set = batch.set || {};
  if (batch.title) {
    document.title = batch.title + " · emperor";
  }
  const added = {};
  for (const id in set) {
    const old = document.getElementById(id);
    const now = element(set[id]);
    if (!now) {
      continue;
    }
    if (!old) {
      added[id] = now;
    } else if (old.contains(document.activeElement) && document.activeElement !== old) {
      const links = [...old.querySelectorAll("a")];
      const at = links.indexOf(document.activeElement);
      old.replaceWith(now);
      now.querySelectorAll("a")[at]?.focus({ preventScroll: true });
    } else {
      old.replaceWith(now);
    }
  }
  for (const id in batch.lists || {}) {
    arrange(document.getElementById(id), batch.lists[id], added);
  }
}

// arrange gives a list the elements with these ids in order. It moves only those out of place.
function arrange(list, ids, added) {
  if (!list) {
    return;
  }
  const bottom = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
  const wanted = new Set(ids);
  for (const old of [...list.children]) {
    if (!wanted.has(old.id)) {
      old.remove();
    }
  }
  let next = list.firstElementChild;
  for (const id of ids) {
    const e = added[id] || document.getElementById(id);
    if (!e) {
      continue;
    }
    if (e === next) {
      next = next.nextElementSibling;
    } else {
      list.insertBefore(e, next);
    }
  }
  if (bottom) {
    list.scrollTop = list.scrollHeight;
  }
}

function age(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const d = Math.floor(s / 86400);
  const h = Math.floor((s % 86400) / 3600);
  const m = Math.floor((s % 3600) / 60);
  if (d > 0) {
    return d + "d" + h + "h";
  }
  if (h > 0) {
    return h + "h" + m + "m";
  }
  return m > 0 ? m + "m" + (s % 60) + "s" : s + "s";
}

// skew is how far this clock is ahead of the server's, in milliseconds.
let skew = 0;

function tick() {
  const now = Date.now() - skew;
  for (const t of document.querySelectorAll("time[data-age], time[data-ago]")) {
    const s = (now - Date.parse(t.dateTime)) / 1000;
    let text = age(s);
    if ("ago" in t.dataset) {
      text = s < 0 ? "in " + age(-s) : text + " ago";
    }
    if (t.textContent !== text) {
      t.textContent = text;
    }
  }
}

function connect() {
  source?.close();
  const mine = new EventSource(document.body.dataset.live);
  source = mine;
  mine.addEventListener("hello", (e) => {
    const hello = JSON.parse(e.data);
    if (hello.build !== document.documentElement.dataset.build) {
      location.reload();
    }
    skew = Date.now() - hello.now;
    show("live", "on");
  });
  mine.addEventListener("batch", (e) => {
    apply(JSON.parse(e.data));
    show("live", "on");
    tick();
  });
  mine.onerror = () => {
    show("connecting", "off");
    if (mine.readyState === EventSource.CLOSED && mine === source) { // the server answered, and refused
      setTimeout(connect, 5000);
    }
  };
}

// A hidden page costs the emperor nothing, and leaves the browser's few connections to others.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
  } else {
    connect();
  }
});

const search = document.getElementById("q");
let typed = 0;

// find shows the vassals that match, without loading the page again.
async function find() {
  const mine = ++typed;
  const query = new URLSearchParams(new FormData(search.form));
  if (!search.value) {
    query.delete("q");
  }
  const to = query.size ? "?" + query : ".";
  let answer = null;
  let text = "";
  try {
    answer = await fetch(to);
    text = await answer.text();
  } catch {
    return; // the emperor is away, or the reader leaves
  }
  if (!answer.ok || mine !== typed) {
    return;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const place of [".filters", ".vassals", "#rest"]) {
    document.querySelector(place).replaceWith(page.querySelector(place));
  }
  document.body.dataset.live = page.body.dataset.live;
  history.replaceState(null, "", to);
  connect();
}

if (search) {
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, 250);
  });
}

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || !search) {
    return;
  }
  const rows = [...document.querySelectorAll(".vassals tbody a")];
  const at = rows.indexOf(document.activeElement);
  if (e.key === "/" && document.activeElement !== search) {
    search.focus();
    search.select();
  } else if (e.key === "Escape" && document.activeElement === search) {
    search.value = "";
    find();
    search.blur();
  } else if (e.key === "ArrowDown" && (at >= 0 || document.activeElement === search)) {
    rows[Math.min(at + 1, rows.length - 1)]?.focus();
  } else if (e.key === "ArrowUp" && at >= 0) {
    (rows[at - 1] || search).focus();
  } else {
    return;
  }
  e.preventDefault();
});

const lines = document.getElementById("lines");
if (lines) {
  lines.scrollTop = lines.scrollHeight;
}
setInterval(() => document.hidden || tick(), 1000);
tick();
if (!document.hidden) {
  connect();
}
