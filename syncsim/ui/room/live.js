// The page's side of the live panels: status, log and caches, drawn from what the kernel sends.
// One book per model holds what came; every view draws it in animation frames. Text is text here:
// whatever the kernel sends goes to textContent or an attribute, never to markup.

const ROW_PX = 18;
const KEEP = 10000;
const SPARE = 6; // rows drawn beyond each edge of what can be seen
const SVG = "http://www.w3.org/2000/svg";
const NEW_MS = 10000; // panels opened just now are scrolled to
const CALM_ROWS = 10; // more rows at once than this are not read aloud

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function ageText(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(minutes / 60)} h`;
}

// -- what came ----------------------------------------------------------------------------------

class Book {
  constructor() {
    this.listeners = new Set();
    this.clear(-1);
    this.status = {};
    this.holdCaches({ cards: [], at: 0, ticking: false });
  }

  clear(epoch) {
    this.epoch = epoch;
    this.rows = [];
    this.count = 0; // rows that came, those no longer kept included
    this.skipped = 0; // rows the kernel did not send
    this.unseen = 0; // rows sent while this page was not there to hear
    this.users = new Map();
    this.kinds = new Map();
    this.version = (this.version ?? 0) + 1; // of the rows before the newest: filters start anew
  }

  // The synced state, for a page opened later: it counts only where it knows more than we do.
  adopt(state) {
    if (state.epoch === undefined) return;
    const heard = this.count + this.unseen;
    if (state.epoch < this.epoch || (state.epoch === this.epoch && state.total <= heard)) return;
    if (state.epoch > this.epoch) this.clear(state.epoch);
    const first = state.total - state.rows.length;
    this.unseen += Math.max(first - this.count - this.unseen, 0);
    this.add(state.rows.slice(Math.max(this.count + this.unseen - first, 0)));
    this.take({ ...state, rows: [] });
    if (state.caches.ticking) this.cachesSince -= Math.max(Date.now() - state.caches.at * 1000, 0);
  }

  take(message) {
    if (message.epoch < this.epoch) return;
    if (message.epoch > this.epoch) this.clear(message.epoch);
    if (message.cut !== undefined) this.cut(message.cut);
    this.unseen += Math.max(message.total - message.rows.length - this.count - this.unseen, 0);
    this.add(message.rows);
    this.skipped = message.skipped;
    if (message.status) this.status = message.status;
    if (message.caches) this.holdCaches(message.caches);
    for (const listener of this.listeners) listener();
  }

  add(rows) {
    for (const row of rows) {
      row.n = this.count++;
      if (row.user) this.users.set(row.user, (this.users.get(row.user) ?? 0) + 1);
      if (row.kind) this.kinds.set(row.kind, (this.kinds.get(row.kind) ?? 0) + 1);
      this.rows.push(row);
    }
    if (this.rows.length > KEEP) this.rows.splice(0, this.rows.length - KEEP);
  }

  cut(total) {
    const gone = this.count + this.unseen - total;
    if (gone <= 0) return;
    this.rows.splice(Math.max(this.rows.length - gone, 0));
    this.count -= gone;
    this.version++;
  }

  holdCaches(caches) {
    this.caches = caches;
    this.cachesSince = performance.now();
  }

  age(card) {
    if (card.age_s === null) return "-";
    const passed = this.caches.ticking ? (performance.now() - this.cachesSince) / 1000 : 0;
    return ageText(card.age_s + passed);
  }
}

// -- status ---------------------------------------------------------------------------------------

class Status {
  constructor(book) {
    this.book = book;
    this.facts = el("dl", { class: "sc-facts" });
    this.now = el("span", { class: "sc-now" });
    this.aloud = el("span", { class: "sc-aloud" });
    const line = el("div", { role: "status", "aria-label": "What is going on" }, this.now, this.aloud);
    this.root = el("section", { class: "sc-box sc-status", "aria-label": "Current state" }, this.facts, line);
    this.cells = new Map();
    this.saidAt = -Infinity;
  }

  draw() {
    const { Now: now, ...facts } = this.book.status;
    for (const [name, value] of Object.entries(facts)) {
      const cell = this.cells.get(name) ?? this.cell(name);
      if (Array.isArray(value)) this.spark(cell, value);
      else this.fact(cell, name, String(value));
    }
    this.speak(now ?? "", facts);
  }

  cell(name) {
    const cell = el("dd");
    this.facts.append(el("div", {}, el("dt", {}, name), cell));
    this.cells.set(name, cell);
    return cell;
  }

  fact(cell, name, text) {
    if (cell.textContent === text) return;
    const isFirst = cell.textContent === "";
    cell.textContent = text;
    if (isFirst || name !== "Template version") return;
    cell.getAnimations().forEach((one) => one.cancel());
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const lit = getComputedStyle(cell).getPropertyValue("--sc-lit");
    cell.animate([{ backgroundColor: lit }, { backgroundColor: "transparent" }], 900);
  }

  spark(cell, values) {
    if (!cell.firstChild) {
      const line = document.createElementNS(SVG, "polyline");
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("class", "sc-spark");
      svg.setAttribute("viewBox", "0 0 90 18");
      svg.setAttribute("aria-hidden", "true");
      svg.append(line);
      cell.append(svg, el("span"));
    }
    const most = Math.max(1, ...values);
    const step = 88 / Math.max(values.length - 1, 1);
    const points = values.map((v, i) => `${(1 + i * step).toFixed(1)},${(16 - (v / most) * 14).toFixed(1)}`);
    cell.firstChild.firstChild.setAttribute("points", points.join(" "));
    say(cell.lastChild, `${Math.max(...values.slice(-2), 0)}/s`);
  }

  // What a screen reader says, at most once a second.
  speak(now, facts) {
    const at = performance.now();
    if (at - this.saidAt < 1000) {
      this.isLate = true;
      return;
    }
    const told = ["Template version", "Active updates", "Conflicts resolved"]
      .filter((name) => name in facts)
      .map((name) => `${name} ${facts[name]}`);
    this.isLate = false;
    const words = `. ${told.join(", ")}`;
    if (this.now.textContent === now && this.aloud.textContent === words) return;
    this.saidAt = at;
    say(this.now, now);
    say(this.aloud, words);
  }

  tick() {
    if (this.isLate) this.draw();
  }
}

// -- log ------------------------------------------------------------------------------------------

class Log {
  constructor(book, looks, select, redraw) {
    Object.assign(this, { book, looks, select, redraw, nodes: new Map(), active: -1, selected: "" });
    this.isFollowing = true;
    this.user = this.choice("User", "All users");
    this.kind = this.choice("Kind", "All kinds");
    this.find = el("input", { type: "search", placeholder: "Find in log", "aria-label": "Find in log" });
    this.only = el("button", { type: "button", "aria-pressed": "false" }, "Selected update only");
    this.newest = el("button", { type: "button" }, "↓ Newest");
    this.told = el("span", { class: "sc-told" });
    const bar = el("div", { class: "sc-bar" }, this.user, this.kind, this.find, this.only, this.newest, this.told);
    this.list = el("div", { role: "listbox", "aria-label": "Rows of the log", tabindex: "0", class: "sc-rows" });
    this.pane = el("div", { role: "log", "aria-label": "Live log", class: "sc-log" }, this.list);
    this.detail = el("div", { class: "sc-detail" });
    this.root = el("section", { class: "sc-box", "aria-label": "Log" }, bar, this.pane, this.detail);
    for (const input of [this.user, this.kind, this.find]) {
      input.addEventListener("input", () => this.filter());
    }
    this.only.addEventListener("click", () => {
      this.only.setAttribute("aria-pressed", String(this.only.getAttribute("aria-pressed") !== "true"));
      this.filter();
    });
    this.newest.addEventListener("click", () => this.follow());
    this.pane.addEventListener("scroll", () => this.scrolled(), { passive: true });
    // Not click: while rows come, the button may go up over another row than it went down on.
    this.list.addEventListener("mousedown", (event) => this.clicked(event));
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    this.match();
  }

  choice(name, all) {
    return el("select", { "aria-label": name }, el("option", { value: "" }, all));
  }

  // The rows that pass the filters; without filters the book's own.
  match() {
    const user = this.user.value;
    const kind = this.kind.value;
    const words = this.find.value.toLowerCase();
    const only = this.only.getAttribute("aria-pressed") === "true" ? this.selected : "";
    const { rows } = this.book;
    this.passes = (row) =>
      (!user || row.user === user) &&
      (!kind || row.kind === kind) &&
      (!only || row.update === only) &&
      (!words || `${row.line} ${row.detail} ${row.update}`.toLowerCase().includes(words));
    this.isFiltered = Boolean(user || kind || words || only);
    this.shown = this.isFiltered ? rows.filter(this.passes) : rows;
    this.matched = { version: this.book.version, count: this.book.count, oldest: rows[0]?.n ?? 0 };
  }

  // Bring `shown` up to the book; how many rows came, and how many of the shown went.
  catchUp() {
    const { rows, count, version } = this.book;
    if (version !== this.matched.version) {
      for (const node of this.nodes.values()) node.remove();
      this.nodes.clear();
      this.match();
    }
    const came = count - this.matched.count;
    const oldest = rows[0]?.n ?? 0;
    let gone = oldest - this.matched.oldest;
    if (this.isFiltered) {
      this.shown.push(...rows.slice(Math.max(rows.length - came, 0)).filter(this.passes));
      gone = this.shown.findIndex((row) => row.n >= oldest);
      if (gone < 0) gone = this.shown.length;
      this.shown.splice(0, gone);
    }
    this.matched = { version, count, oldest };
    return { came, gone };
  }

  filter() {
    this.match();
    this.isFollowing = true;
    this.redraw();
  }

  follow() {
    this.isFollowing = true;
    this.redraw();
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.pane;
    this.isFollowing = scrollTop + clientHeight >= scrollHeight - ROW_PX;
    this.redraw();
  }

  draw() {
    const { came, gone } = this.catchUp();
    const { shown, pane } = this;
    pane.setAttribute("aria-live", came > CALM_ROWS ? "off" : "polite");
    this.list.style.height = `${shown.length * ROW_PX}px`;
    const height = pane.clientHeight || 240;
    const bottom = Math.max(shown.length * ROW_PX - height, 0);
    if (this.isFollowing) {
      if (Math.abs(pane.scrollTop - bottom) > 1) pane.scrollTop = bottom;
    } else if (gone) {
      pane.scrollTop -= gone * ROW_PX; // stay on the same rows
    }
    const y = this.isFollowing ? bottom : pane.scrollTop;
    const from = Math.max(Math.floor(y / ROW_PX) - SPARE, 0);
    this.place(from, Math.min(from + Math.ceil(height / ROW_PX) + 2 * SPARE, shown.length));
    this.options(this.user, this.book.users);
    this.options(this.kind, this.book.kinds);
    this.newest.hidden = this.isFollowing;
    this.describe();
    const newest = this.book.rows[this.book.rows.length - 1];
    const { count, skipped, unseen } = this.book;
    pane.dataset.t = newest ? newest.at : "";
    pane.dataset.count = count;
    pane.dataset.skipped = skipped + unseen;
  }

  place(from, to) {
    const wanted = new Map();
    for (let i = from; i < to; i++) wanted.set(this.shown[i].n, i);
    for (const [n, node] of this.nodes) {
      if (wanted.has(n)) continue;
      node.remove();
      this.nodes.delete(n);
    }
    let next = null;
    for (let i = to - 1; i >= from; i--) {
      const row = this.shown[i];
      let node = this.nodes.get(row.n);
      if (!node) {
        node = this.row(row);
        this.nodes.set(row.n, node);
        this.list.insertBefore(node, next);
      }
      node.style.top = `${i * ROW_PX}px`;
      node.setAttribute("aria-posinset", i + 1);
      node.setAttribute("aria-setsize", this.shown.length);
      const isChosen = Boolean(this.selected) && row.update === this.selected;
      node.setAttribute("aria-selected", String(isChosen));
      node.classList.toggle("sc-active", row.n === this.active);
      next = node;
    }
    if (this.nodes.has(this.active)) this.list.setAttribute("aria-activedescendant", this.id(this.active));
    else this.list.removeAttribute("aria-activedescendant");
  }

  row(row) {
    const look = this.looks[row.look];
    const sign = el("span", { class: "sc-sign", "aria-hidden": "true" }, look ? look.sign : "·");
    const attributes = { role: "option", class: `sc-row sc-${look ? row.look : "plain"}`, id: this.id(row.n) };
    const node = el("div", { ...attributes, title: row.detail ? `${row.line}\n${row.detail}` : row.line }, sign, row.line);
    node.dataset.n = row.n;
    if (!row.kind) node.classList.add("sc-heading");
    return node;
  }

  id(n) {
    this.name ??= `sc-${Math.random().toString(36).slice(2)}`;
    return `${this.name}-${n}`;
  }

  options(choice, counted) {
    if (choice.options.length === counted.size + 1) return;
    const kept = choice.value;
    const names = [...counted.keys()].sort();
    const labels = names.map((name) => el("option", { value: name }, name === "background" ? "Background" : name));
    choice.replaceChildren(choice.options[0], ...labels);
    choice.value = counted.has(kept) ? kept : "";
    if (choice.value !== kept) this.filter();
  }

  describe() {
    const { count, skipped, unseen } = this.book;
    const told = [`${this.shown.length} of ${count} rows`];
    if (count > KEEP) told.push(`the newest ${KEEP} are kept`);
    if (skipped) told.push(`${skipped} rows skipped: they came too fast`);
    if (unseen) told.push(`${unseen} rows came before this view`);
    say(this.told, told.join(", "));
    const row = this.at(this.active);
    say(this.detail, row ? [row.line, row.detail, row.update && `update ${row.update}`].filter(Boolean).join(" - ") : "Click a row, or use the arrow keys, to select its update.");
  }

  at(n) {
    const first = this.book.rows[0]?.n ?? 0;
    return this.book.rows[n - first];
  }

  clicked(event) {
    const node = event.target.closest("[data-n]");
    if (!node) return;
    this.active = Number(node.dataset.n);
    this.choose(0);
  }

  pressed(event) {
    const page = Math.max(Math.floor(this.pane.clientHeight / ROW_PX) - 1, 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const { key } = event;
    if (key === "Escape") {
      this.active = -1;
      this.select("", 0);
    } else if (key === "Enter" || key === " ") {
      this.choose(0);
    } else if (key in steps && this.shown.length) {
      this.step(steps[key]);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  step(by) {
    const last = this.shown.length - 1;
    const here = this.shown.findIndex((row) => row.n === this.active);
    const start = here < 0 ? (by > 0 ? -1 : last + 1) : here;
    const to = Math.min(Math.max(start + by, 0), last);
    this.active = this.shown[to].n;
    const { pane } = this;
    const y = to * ROW_PX;
    if (y < pane.scrollTop) pane.scrollTop = y;
    else if (y + ROW_PX > pane.scrollTop + pane.clientHeight) pane.scrollTop = y + ROW_PX - pane.clientHeight;
    this.isFollowing = to === last;
    this.choose(150);
  }

  choose(delay) {
    const row = this.at(this.active);
    if (row?.update) this.select(row.update, delay);
    this.redraw();
  }

  mark(selected) {
    if (selected === this.selected) return;
    this.selected = selected;
    this.only.disabled = !selected;
    if (!selected) this.only.setAttribute("aria-pressed", "false");
    this.match();
    this.redraw();
  }
}

// -- caches ---------------------------------------------------------------------------------------

class Caches {
  constructor(book, looks) {
    Object.assign(this, { book, looks, cards: [] });
    this.list = el("ul", { class: "sc-cards" });
    this.root = el("section", { class: "sc-box", "aria-label": "Caches" }, this.list);
  }

  draw() {
    const { cards } = this.book.caches;
    while (this.cards.length > cards.length) this.cards.pop().node.remove();
    while (this.cards.length < cards.length) this.cards.push(this.card());
    cards.forEach((card, i) => this.fill(this.cards[i], card));
  }

  card() {
    const parts = Object.fromEntries(["user", "state", "version", "age", "reads"].map((k) => [k, el("span", { class: `sc-card-${k}` })]));
    const node = el("li", { class: "sc-card" }, ...Object.values(parts));
    this.list.append(node);
    return { node, ...parts };
  }

  fill(parts, card) {
    const look = { Fresh: "committed", Stale: "stale" }[card.state] ?? "idle";
    const name = `sc-card sc-is-${look}`;
    if (parts.node.className !== name) parts.node.className = name;
    say(parts.user, card.user);
    say(parts.state, `${this.looks[look]?.sign ?? ""} ${card.state}`);
    say(parts.version, card.version === null ? "No data" : `v: ${card.version}`);
    say(parts.age, `Age: ${this.book.age(card)}`);
    say(parts.reads, `${card.hits} hits, ${card.misses} misses`);
  }
}

// -- a model, and its views -------------------------------------------------------------------------

export default () => {
  const book = new Book();
  return {
    initialize({ model }) {
      const adopt = () => book.adopt(model.get("state"));
      const take = (message) => book.take(message);
      adopt();
      model.on("change:state", adopt);
      model.on("msg:custom", take);
      return () => {
        model.off("change:state", adopt);
        model.off("msg:custom", take);
      };
    },

    render({ model, el: place }) {
      const looks = model.get("looks");
      let frame = 0;
      let saving = 0;
      let opening = 0;
      const redraw = () => {
        frame ||= requestAnimationFrame(draw);
      };
      const select = (id, delay) => {
        log.mark(id);
        clearTimeout(saving);
        model.set("selected", id);
        saving = setTimeout(() => model.save_changes(), delay);
      };
      const status = new Status(book);
      const log = new Log(book, looks, select, redraw);
      const caches = new Caches(book, looks);
      const panels = [status, log, caches];
      function draw() {
        frame = 0;
        for (const panel of panels) panel.draw();
      }
      const bringUp = () => place.closest(".jp-OutputArea-output")?.scrollIntoView();
      const age = Date.now() - model.get("opened_at");
      const marked = () => log.mark(model.get("selected"));
      const ticking = setInterval(() => {
        status.tick();
        caches.draw();
      }, 1000);
      const sized = new ResizeObserver(redraw);
      place.classList.add("syncsim-live");
      place.replaceChildren(status.root, log.root, caches.root);
      log.only.disabled = true;
      marked();
      model.on("change:selected", marked);
      book.listeners.add(redraw);
      sized.observe(log.pane);
      redraw();
      if (age >= 0 && age < NEW_MS) opening = requestAnimationFrame(bringUp);
      return () => {
        cancelAnimationFrame(frame);
        cancelAnimationFrame(opening);
        clearTimeout(saving);
        clearInterval(ticking);
        sized.disconnect();
        book.listeners.delete(redraw);
        model.off("change:selected", marked);
        place.replaceChildren();
      };
    },
  };
};
