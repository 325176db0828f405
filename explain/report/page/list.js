// The reader's choice, and the findings that it leaves, in groups.

const facets = ["risk", "verdict", "cause", "profile", "container", "image", "program", "layer"];
const risks = ["without a fix", "low", "medium", "high", "investigate"];
const orders = {
  "most denials": (a, b) => b.count - a.count,
  "latest": (a, b) => b.item.last - a.item.last,
  "newest": (a, b) => b.item.first - a.item.first,
  "riskiest": (a, b) => riskOf(b.item) - riskOf(a.item) || b.count - a.count,
};
const riskKind = kindOf("risk");
const riskOf = (item) => risks.indexOf(textOf(partsOf(riskKind, item)[0][0]));

const choice = {
  query: "", terms: [], only: new Map(), from: 0, to: data.buckets - 1, windowed: false,
  by: "", order: "most denials",
};
const controls = document.getElementById("controls");
const list = document.getElementById("list");
const status = element("p", { role: "status" });
const fields = {};
const drawTimeline = data.buckets > 1 ? timeline(choice, show) : () => {};

// show draws what the choice leaves.
function show() {
  choice.windowed = choice.from > 0 || choice.to < data.buckets - 1;
  const chosen = items.map((item) => choose(item, choice)).filter((one) => one !== null);
  chosen.sort(orders[choice.order]);
  drawTimeline(chosen.reduce((sums, one) => addTimes(sums, one.item), noTimes()));
  const findings = chosen.reduce((sum, one) => sum + one.findings, 0);
  const denials = chosen.reduce((sum, one) => sum + one.count, 0);
  status.textContent = `${counted(findings, "finding")}, seen ${counted(denials, "time")}` + leftOut();
  list.replaceChildren();
  if (choice.by === "") {
    paged(list, chosen, itemOf);
  } else {
    paged(list, groupsOf(chosen), groupOf);
  }
  remember();
}

// leftOut says what the page has no room for.
function leftOut() {
  const { findings, denials } = data.unlisted;
  return findings === 0 ? "" : `; ${counted(findings, "further finding")} with ${counted(denials, "denial")} had no room on the page`;
}

// groupsOf puts items into groups, in the order of their first.
function groupsOf(chosen) {
  const kind = kindOf(choice.by);
  const groups = new Map();
  for (const one of chosen) {
    const parts = partsOf(kind, one.item);
    const all = parts.reduce((sum, [, count]) => sum + count, 0);
    for (const [name, count] of parts) {
      const group = groups.get(name) ?? { name: textOf(name), count: 0, findings: 0, chosen: [] };
      group.count += Math.round(one.count * count / all);
      group.findings += one.findings;
      group.chosen.push(one);
      groups.set(name, group);
    }
  }
  const sorted = [...groups.values()];
  return choice.order === "most denials" ? sorted.sort((a, b) => b.count - a.count) : sorted;
}

// groupOf makes a group, whose findings are made when it is opened.
function groupOf(group) {
  const inner = element("ol", { class: "findings" });
  const risk = risks[Math.max(...group.chosen.map((one) => riskOf(one.item)))];
  const head = element("summary", {},
    element("span", { class: "count" }, "×" + thousands(group.count)),
    element("span", { class: "sentence" }, element("b", {}, group.name), " ",
      element("small", {}, counted(group.findings, "finding"))),
    sparkline(group.chosen.reduce((sums, one) => addTimes(sums, one.item), noTimes())),
    riskBadge(risk));
  return opened(element("details", { class: "group" }, head, inner), () => paged(inner, group.chosen, itemOf));
}

// itemOf makes a finding or a fold.
function itemOf(one) {
  const { item } = one;
  const sentence = element("span", { class: "sentence" }, item.who, " ", element("b", { class: "verdict" }, item.verdict),
    " ", item.what, one.members ? element("b", {}, `… (${counted(one.findings, "finding")})`) : "", " ",
    element("small", {}, timespan(item.first, item.last)));
  const head = element("summary", {}, element("span", { class: "count" }, "×" + thousands(one.count)), sentence,
    sparkline(addTimes(noTimes(), item)), riskBadge(textOf(partsOf(riskKind, item)[0][0])));
  const box = element("details", {}, head);
  return opened(box, () => box.append(detailOf(one)));
}

// opened has an element filled when it is first opened, as an entry of a list.
function opened(details, fill) {
  details.addEventListener("toggle", fill, { once: true });
  return element("li", {}, details);
}

// facet makes a choice of one name of a kind, if there are several.
function facet(name) {
  const kind = kindOf(name);
  const counts = new Map();
  for (const item of items) {
    for (const [part] of partsOf(kind, item)) {
      counts.set(part, (counts.get(part) ?? 0) + item.findings);
    }
  }
  if (counts.size < 2) {
    return [];
  }
  const select = element("select", {}, element("option", { value: "" }, "any"));
  for (const [part, n] of [...counts].sort((a, b) => b[1] - a[1]).slice(0, 500)) {
    select.append(element("option", { value: textOf(part) }, `${textOf(part)} (${thousands(n)})`));
  }
  fields[name] = select;
  select.addEventListener("change", () => {
    pick(name, select.value);
    show();
  });
  return [labelled(name, select)];
}

// pick chooses one name of a kind, or any.
function pick(name, value) {
  const index = value === "" ? -1 : data.strings.indexOf(value);
  if (index < 0) {
    choice.only.delete(kindOf(name));
  } else {
    choice.only.set(kindOf(name), index);
  }
}

// selection makes a select that sets what of the choice.
function selection(what, label, options) {
  const select = element("select", {}, ...options.map(([value, name]) => element("option", { value }, name)));
  fields[what] = select;
  select.addEventListener("change", () => {
    choice[what] = select.value;
    show();
  });
  return labelled(label, select);
}

// search makes the field for words, which waits for the end of typing.
function search() {
  const input = element("input", { type: "search", placeholder: "words, a path, an ID", autocomplete: "off", spellcheck: "false" });
  fields.query = input;
  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      ask(input.value);
      show();
    }, 120);
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName) && document.activeElement.type !== "range";
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      input.focus();
    }
  });
  return labelled("search (press /)", input);
}

function ask(query) {
  choice.query = query;
  choice.terms = query.toLowerCase().split(/\s+/).filter((term) => term !== "");
}

// remember puts the choice into the address, so that it can be sent along.
function remember() {
  const now = new URLSearchParams();
  if (choice.query !== "") {
    now.set("query", choice.query);
  }
  for (const what of ["by", "order"]) {
    if (choice[what] !== initial[what]) {
      now.set(what, choice[what]);
    }
  }
  for (const [kind, name] of choice.only) {
    now.set(data.groups[kind].name, textOf(name));
  }
  if (choice.windowed) {
    now.set("from", choice.from);
    now.set("to", choice.to);
  }
  history.replaceState(null, "", "#" + now);
}

// recall takes the choice out of the address.
function recall() {
  const was = new URLSearchParams(location.hash.slice(1));
  ask(was.get("query") ?? "");
  choice.only.clear();
  for (const name of facets) {
    if (fields[name]) {
      pick(name, was.get(name) ?? "");
      fields[name].value = choice.only.size > 0 ? textOf(choice.only.get(kindOf(name))) ?? "" : "";
    }
  }
  for (const what of ["by", "order"]) {
    const value = was.get(what) ?? initial[what];
    choice[what] = [...fields[what].options].some((option) => option.value === value) ? value : initial[what];
    fields[what].value = choice[what];
  }
  fields.query.value = choice.query;
  const within = (text, otherwise) => /^\d{1,4}$/.test(text ?? "") && Number(text) < data.buckets ? Number(text) : otherwise;
  choice.from = within(was.get("from"), 0);
  choice.to = Math.max(within(was.get("to"), data.buckets - 1), choice.from);
  show();
}

// Many findings are first seen in groups.
const initial = { by: items.length > 40 ? "profile" : "", order: "most denials" };
const reset = element("button", { type: "button" }, "Reset");
reset.addEventListener("click", () => {
  history.replaceState(null, "", "#");
  recall();
});
controls.append(
  search(),
  selection("by", "group by", [["", "nothing"], ...data.groups.map((group) => [group.name, group.name])]),
  selection("order", "sort by", Object.keys(orders).map((name) => [name, name])),
  ...facets.flatMap(facet),
  reset,
  status,
);
controls.hidden = false;
controls.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", recall);
window.addEventListener("beforeprint", () => {
  for (const group of list.querySelectorAll("details.group")) {
    group.open = true;
  }
});
recall();
