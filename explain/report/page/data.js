// What the page is of, as html_data.go wrote it. Texts are indices of one table. All of them
// have been escaped for people; here they only ever become text nodes.
const data = JSON.parse(document.getElementById("data").textContent);
const textOf = (index) => data.strings[index];

// An item is a finding, or a fold: several findings that differ in the end of their sentence.
const items = data.rows.count.map((count, row) => ({
  row,
  count,
  findings: 1,
  who: textOf(data.rows.who[row]),
  verdict: textOf(data.rows.verdict[row]),
  what: textOf(data.rows.what[row]),
  first: data.rows.first[row],
  last: data.rows.last[row],
  times: data.rows.times[row],
  detail: data.rows.detail[row],
  members: null,
}));
for (const fold of data.folds) {
  let name = "";
  const members = fold.names.map((rest, i) => {
    name = name.slice(0, fold.shared[i]) + rest;
    return { name, count: fold.counts[i], first: fold.first[i], last: fold.last[i] };
  });
  const item = items[fold.row];
  if (members.length > 1) {
    item.members = members.sort((a, b) => b.count - a.count);
    item.findings = members.length;
  } else {
    item.what += members[0].name;
  }
}

// partsOf returns the groups of a kind that an item is in, as pairs of a name and a count.
function partsOf(kind, item) {
  const list = data.groups[kind].of[item.row];
  if (list.length === 1) {
    return [[list[0], item.count]];
  }
  const pairs = [];
  for (let i = 0; i < list.length; i += 2) {
    pairs.push([list[i], list[i + 1]]);
  }
  return pairs;
}

const kindOf = (name) => data.groups.findIndex((group) => group.name === name);

// wordsOf returns what a search looks through, made when first asked for.
function wordsOf(item) {
  if (item.words === undefined) {
    const parts = [item.who, item.verdict, item.what];
    for (const kind of data.groups) {
      parts.push(...kind.of[item.row].map((n) => textOf(n) ?? ""));
    }
    for (const block of item.detail) {
      parts.push(...block.slice(1).map(textOf));
    }
    item.words = parts.join("\n").toLowerCase();
  }
  return item.words;
}

// choose returns what of an item a choice of the reader leaves: how many denials, of how many
// findings, and of a fold which members. It is null if that is nothing.
function choose(item, choice) {
  for (const [kind, name] of choice.only) {
    if (!partsOf(kind, item).some(([part]) => part === name)) {
      return null;
    }
  }
  let members = item.members;
  const missing = choice.terms.filter((term) => !wordsOf(item).includes(term));
  if (missing.length > 0) {
    members = members?.filter((m) => missing.every((term) => m.name.toLowerCase().includes(term)));
  }
  if (choice.windowed) {
    members = members?.filter((m) => m.last >= choice.from && m.first <= choice.to && m.first >= 0);
  }
  if (missing.length > 0 && !members?.length) {
    return null;
  }
  const whole = members?.length === item.members?.length;
  let count = whole || !members ? item.count : members.reduce((sum, m) => sum + m.count, 0);
  if (choice.windowed) {
    count = Math.min(count, countWithin(item, choice));
  }
  return count > 0 ? { item, count, members, findings: members ? members.length : 1 } : null;
}

// secondsOf returns the time that is chosen, in seconds from the start of the first bucket.
const secondsOf = (choice) => [choice.from * data.seconds, (choice.to + 1) * data.seconds];

// countWithin counts the denials of an item in the buckets that are chosen.
function countWithin(item, choice) {
  if (item.times.length === 0) {
    const [from, to] = secondsOf(choice);
    return item.last >= from && item.first < to && item.first >= 0 ? item.count : 0;
  }
  const first = item.times[0];
  let sum = 0;
  for (let i = 1; i < item.times.length; i++) {
    const bucket = first + i - 1;
    if (bucket >= choice.from && bucket <= choice.to) {
      sum += item.times[i];
    }
  }
  return sum;
}

// addTimes adds the buckets of an item to sums of them.
function addTimes(sums, item) {
  for (let i = 1; i < item.times.length; i++) {
    sums[item.times[0] + i - 1] += item.times[i];
  }
  return sums;
}

const noTimes = () => new Array(data.buckets).fill(0);

// timeAt writes a time, given in seconds from the start, in UTC.
function timeAt(seconds, withDay = true) {
  const iso = new Date((data.start + seconds) * 1000).toISOString();
  return withDay ? iso.slice(0, 10) + " " + iso.slice(11, 19) : iso.slice(11, 19);
}

// timespan writes from when to when, with the day once if it is one.
function timespan(first, last) {
  if (first < 0) {
    return "";
  }
  const from = timeAt(first);
  const to = timeAt(last);
  if (from === to) {
    return from;
  }
  return from + " – " + (from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to);
}

const thousands = (n) => n.toLocaleString("en-US");
const counted = (n, thing) => thousands(n) + " " + thing + (n === 1 ? "" : "s");
