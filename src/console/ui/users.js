// /users: which organization, which tab.

import {h, byId, field, button, say} from "./dom.js";
import {t, number} from "./text.js";
import {Problem, session, scim, me, quote, explain, USER, ORGANIZATION} from "./api.js";
import {address, follow, go, place} from "./place.js";
import * as members from "./members.js";
import * as pending from "./pending.js";

const POLL_MS = 30000;
const OLD_DAYS = 7;

// ---- the organization

const GROUP = `displayName,${ORGANIZATION}`;

async function managed() {
  const own = (await me())[USER]?.memberships || [];
  return own.filter((one) => one.role === "Manager" && one.status === "active").map((one) => ({id: one.value, name: one.display}));
}

// What a PlatformAdmin may choose from is everything; the first by name is shown until they do.
async function firstOfAll() {
  const found = await scim.get("/Groups", {attributes: "displayName", sortBy: "displayName", count: 1});
  return (found.Resources || []).map((one) => ({id: one.id, name: one.displayName}));
}

// The organization's own resource; null: it is not this person's to manage, or it is not there, which is not told apart.
async function organizationOf(id) {
  const group = await scim.get(`/Groups/${encodeURIComponent(id)}`, {attributes: GROUP}).catch((error) => {
    if (session.admin || error.status !== 404) throw error;
  });
  const more = group?.[ORGANIZATION] || {};
  if (more.memberCount === undefined) return null;
  const organization = {id: group.id, name: group.displayName, description: more.description || "", policy: more.joinPolicy || "closed",
    managers: (more.managers || []).filter((one) => one.active), members: more.memberCount, pending: more.pending || 0,
    version: group.meta?.version};
  return {...organization, oldest: await oldestRequest(organization)};
}

// {organization, choices, found}: the organization of the address, else the first; what else a Manager has; and what `find`
// finds in it. What is known at once is asked for at once: each answer that is waited for is seen.
export async function choose(find) {
  const wanted = place().org;
  if (wanted && !/^[\w-]+$/.test(wanted)) throw new Problem("refused", "", {status: 404}); // "..", which is another path
  const names = session.admin || session.organization ? [] : managed();
  const id = wanted || session.organization || (await (session.admin ? firstOfAll() : names))[0]?.id;
  if (!id) return {organization: null, choices: []};
  const [choices, organization, found] = await Promise.all([names, organizationOf(id), find(id)]);
  if (wanted && !organization) throw new Problem("refused", "", {rule: "KB-R09", status: 403});
  return {choices, organization, found};
}

function chooser(choices, organization) {
  return h("div", {class: "filter"}, h("label", {for: "organization"}, t("organization")),
    h("select", {id: "organization", onchange: (event) => go({org: event.target.value, page: undefined, q: undefined})},
      choices.map((one) => h("option", {value: one.id, selected: one.id === organization?.id}, one.name))));
}

// Type to find: an input with a list below it (the combobox pattern of ARIA). `take` gets what was chosen, and null when
// something else is typed after that.
export function finder({id, label, find, take, value = ""}) {
  const list = h("ul", {id: `${id}-list`, role: "listbox", "aria-label": label, class: "choices", hidden: true});
  const input = h("input", {id, type: "text", role: "combobox", "aria-expanded": "false", "aria-controls": list.id,
    "aria-autocomplete": "list", autocomplete: "off", value, maxlength: 100});
  let found = [], at = -1, turn = 0, timer;
  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); at = -1; };
  const pick = (one) => { input.value = one.name; close(); take(one); };
  const mark = (n) => {
    at = (n + found.length) % found.length;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", list.children[at].id);
    list.children[at].scrollIntoView({block: "nearest"});
  };
  const look = async () => {
    const mine = (turn += 1);
    let next;
    try {
      next = await find(input.value.trim());
    } catch (error) {
      return say(explain(error));
    }
    if (mine !== turn || document.activeElement !== input) return;
    if (!list.hidden && next.length && String(next.map((one) => one.id)) === String(found.map((one) => one.id))) return; // where the person is in it stays
    found = next;
    list.replaceChildren(...found.map((one, n) => h("li", {id: `${id}-${n}`, role: "option", "aria-selected": "false",
      onmousedown: (event) => event.preventDefault(), onclick: () => pick(one)}, one.name, one.more && h("span", {class: "hint"}, ` ${one.more}`))));
    if (!found.length) list.replaceChildren(h("li", {class: "hint", role: "option", "aria-disabled": "true", id: `${id}-none`}, t("find.none")));
    at = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    say(t("find.count", {count: number(found.length)}));
  };
  input.addEventListener("input", () => { take(null); clearTimeout(timer); timer = setTimeout(look, 150); });
  input.addEventListener("focus", () => { input.select(); look(); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) { event.preventDefault(); event.stopPropagation(); close(); }
    else if (event.key === "Enter" && at >= 0) { event.preventDefault(); pick(found[at]); }
    else if (event.key === "ArrowDown" && found.length) { event.preventDefault(); mark(at + 1); }
    else if (event.key === "ArrowUp" && found.length) { event.preventDefault(); mark(at < 0 ? found.length - 1 : at - 1); }
  });
  return h("div", {class: "field finder"}, h("label", {for: id}, label), h("div", {class: "over"}, input, list));
}

async function findOrganizations(text) {
  const found = await scim.get("/Groups", {attributes: "displayName", sortBy: "displayName", count: 10, filter: text && `displayName co ${quote(text)}`});
  return (found.Resources || []).map((one) => ({id: one.id, name: one.displayName}));
}

export function which(choices, organization) {
  if (session.admin)
    return finder({id: "organization", label: t("organization.find"), value: organization?.name || "", find: findOrganizations,
      take: (one) => one && go({org: one.id, page: undefined, q: undefined})});
  return choices.length > 1 && chooser(choices, organization);
}

// ---- tabs

function tab(name, text, now) {
  return h("a", {role: "tab", id: `tab-${name}`, href: address({tab: name === "members" ? undefined : name, page: undefined, q: undefined, sort: undefined,
    order: undefined, role: undefined, status: undefined}), onclick: follow, "aria-selected": String(name === now), "aria-controls": "panel",
  tabindex: name === now ? "0" : "-1"}, text);
}

function move(event) {
  const tabs = [...event.currentTarget.children];
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  const at = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : tabs.indexOf(document.activeElement) + step;
  if (!step && event.key !== "Home" && event.key !== "End") return;
  event.preventDefault();
  const next = tabs[(at + tabs.length) % tabs.length];
  next.focus();
  next.click();
}

export const pendingText = (n) => t("tab.pending", {count: number(n)});

function tabs(now, waiting) {
  return h("div", {role: "tablist", "aria-label": t("users.title"), class: "tabs", onkeydown: move},
    tab("members", t("tab.members"), now), session.admin && tab("all", t("tab.all"), now), tab("pending", pendingText(waiting), now));
}

// ---- hints

function hints(organization) {
  const days = organization.oldest ? Math.floor((Date.now() - new Date(organization.oldest)) / 86400000) : 0;
  const found = [
    organization.managers.length === 0 && t("hint.vacant", {organization: organization.name}),
    organization.managers.length === 1 && t("hint.one", {organization: organization.name}),
    days >= OLD_DAYS && t("hint.old", {days: number(days)}),
  ].filter(Boolean);
  return found.length > 0 && h("ul", {class: "hints", id: "hints", "aria-label": t("hints")}, found.map((text) => h("li", {}, text)));
}

const waitingFilter = (organization) => `organization.value eq ${quote(organization.id)} and status eq "pending"`;

async function oldestRequest(organization) {
  if (!organization.pending) return null;
  const found = await scim.get("/Memberships", {filter: waitingFilter(organization), sortBy: "requestedAt", count: 1});
  return found.Resources?.[0]?.requestedAt;
}

// The one thing that is asked for again and again: how many wait.
let timer;
let shown = null;

async function poll() {
  if (document.visibilityState === "visible" && shown && byId("tab-pending")) {
    try {
      const asked = shown;
      const {totalResults} = await scim.get("/Memberships", {filter: waitingFilter(asked), count: 0});
      if (asked !== shown) return;
      const text = pendingText(totalResults);
      if (byId("tab-pending").textContent !== text) {
        byId("tab-pending").textContent = text;
        say(text);
      }
    } catch { /* the next one tells */ }
  }
}

function watch(organization) {
  shown = organization;
  if (!timer) {
    timer = setInterval(poll, POLL_MS);
    document.addEventListener("visibilitychange", poll);
  }
}

// ---- the page

const VIEWS = {__proto__: null, settings: "settings", record: "record"};

const tabNow = () => (["all", "pending"].includes(place().tab) && (place().tab !== "all" || session.admin) ? place().tab : "members");

export async function ask() {
  const now = tabNow();
  const view = VIEWS[place().view];
  const part = now === "all" ? await import("./everyone.js") : now === "pending" ? pending : members;
  const all = now === "all";
  const [chosen, everyone] = await Promise.all([choose((id) => (all || view ? null : part.find(id))), all ? part.find() : null]);
  return {...chosen, now, view, part, found: everyone || chosen.found};
}

export async function show(again, {now, view, part, choices, organization, found}) {
  if (!organization && !session.admin)
    return h("section", {class: "card"}, h("h1", {}, t("users.title")), h("p", {}, t("users.none")));
  if (view && organization) return (await import("./organization.js"))[view](organization, again);
  if (!organization && now !== "all") return [h("h1", {}, t("users.title")), tabs(now, 0), h("p", {class: "empty", id: "panel", role: "tabpanel"}, t("users.no.organization"))];
  const panel = part.show(organization, again, found);
  if (organization) watch(organization);
  return [
    h("div", {class: "heading"}, h("h1", {}, t("users.title")), now !== "all" && which(choices, organization)),
    now !== "all" && h("div", {class: "organization"}, h("h2", {id: "organization-name"}, organization.name),
      h("div", {class: "buttons"},
        h("a", {class: "button", id: "settings", href: address({view: "settings", tab: undefined, page: undefined}), onclick: follow}, t("settings.title")),
        h("a", {class: "button", id: "record", href: address({view: "record", tab: undefined, page: undefined}), onclick: follow}, t("record.title")))),
    now !== "all" && hints(organization),
    tabs(now, organization?.pending || 0),
    h("div", {role: "tabpanel", id: "panel", "aria-labelledby": `tab-${now}`}, panel),
  ];
}
