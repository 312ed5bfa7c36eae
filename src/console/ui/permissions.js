// /permissions: people and the seven permissions; several changes at once.

import {h, button, byId, say} from "./dom.js";
import {t, number} from "./text.js";
import {session, explain} from "./api.js";
import {go, place} from "./place.js";
import {empty, filter, load, order, pager, search, table} from "./table.js";
import {PERMISSIONS, ROLES, nameOf, query, whyNoPermissions} from "./members.js";
import {setPermissions, whoIs} from "./changes.js";
import {choose, which} from "./users.js";

const SORTS = {__proto__: null, name: "user.display", email: "user.email", role: "role", joined: "joinDate"};

// What is marked and not saved, by Membership: it stays while the person goes through pages, orders and searches. Of
// another organization it waits until that is shown again.
const marks = new Map();
let shown; // the id of the organization
const ofShown = () => [...marks.values()].filter(({one}) => one.organization.value === shown);
addEventListener("beforeunload", (event) => marks.size && event.preventDefault());

const held = (one) => one.permissions || [];

function mark(one, wanted) {
  if (PERMISSIONS.some((name) => wanted.includes(name) !== held(one).includes(name))) marks.set(one.id, {one, wanted});
  else marks.delete(one.id);
}

// What was marked before the list was asked for again, over what the person holds by now.
function markAgain(one) {
  const before = marks.get(one.id);
  if (!before) return;
  const turned = (name) => before.wanted.includes(name) !== held(before.one).includes(name);
  mark(one, whyNoPermissions(one) ? held(one) : PERMISSIONS.filter((name) => (turned(name) ? before.wanted : held(one)).includes(name)));
}

const boxes = (one) => [...document.querySelectorAll(`input[data-of="${one.user.value}"]`)];
const differs = (one, name) => marks.has(one.id) && marks.get(one.id).wanted.includes(name) !== held(one).includes(name);
const counted = () => (ofShown().length ? t("permissions.changed", {count: number(ofShown().length)}) : t("permissions.unchanged"));

function turn(one) {
  mark(one, boxes(one).filter((box) => box.checked).map((box) => box.value));
  for (const box of boxes(one)) box.closest("td").classList.toggle("changed", differs(one, box.value));
  byId("permissions-save").disabled = byId("permissions-undo").disabled = ofShown().length === 0;
  byId("permissions-count").textContent = counted();
}

async function save(again) {
  const failed = [];
  const changed = ofShown();
  byId("permissions-save").disabled = true;
  for (const {one, wanted} of changed) { // one after another: the first refusal of a person leaves the others
    try {
      await setPermissions(one, wanted);
    } catch (error) {
      failed.push(`${nameOf(one)}: ${explain(error, whoIs(one))}`);
      if (error.kind !== "refused") break;
    }
    if (marks.get(one.id)?.wanted === wanted) marks.delete(one.id); // or turned again meanwhile
  }
  await again();
  const text = failed.length ? failed.join(" ") : t("permissions.saved", {count: number(changed.length)});
  byId("permissions-problem").textContent = failed.length ? text : "";
  say(text);
}

function undo(again) {
  for (const {one} of ofShown()) marks.delete(one.id);
  return again();
}

function cell(one, name) {
  const why = whyNoPermissions(one);
  return h("input", {type: "checkbox", "data-of": one.user.value, value: name, id: `${name}-${one.user.value}`, checked: (marks.get(one.id)?.wanted || held(one)).includes(name),
    disabled: why !== null, title: why, "aria-label": `${name}: ${nameOf(one)}`, onchange: () => turn(one)});
}

const sorting = () => order(["name", "ascending"]);

export const ask = () => choose((id) => load("/Memberships", query(id, "active", SORTS, sorting())));

export async function show(again, {choices, organization, found}) {
  if (!organization) return [h("h1", {}, t("permissions.title")), h("p", {class: "empty"}, t(session.admin ? "users.no.organization" : "users.none"))];
  const sorted = sorting();
  const items = found.Resources || [];
  shown = organization.id;
  items.forEach(markAgain);
  const columns = [
    {title: t("column.name"), sort: "name", cell: (one) => [nameOf(one), h("span", {class: "hint"}, ` ${one.role}`), whyNoPermissions(one) && h("p", {class: "hint", "data-why": ""}, whyNoPermissions(one))]},
    ...PERMISSIONS.map((name) => ({title: name, cell: (one) => cell(one, name), class: (one) => differs(one, name) && "changed"})),
  ];
  const chosen = place().q || place().role;
  return [
    h("div", {class: "heading"}, h("h1", {}, t("permissions.title")), which(choices, organization)),
    h("h2", {id: "organization-name"}, organization.name),
    h("p", {}, t("permissions.text")),
    h("div", {class: "controls"}, search(t("search.hint")), filter("role", t("column.role"), ROLES.map((role) => [role, role]))),
    items.length ? table({caption: t("permissions.title"), columns, items, sorted, row: (one) => ({"data-user": one.user.userName})})
      : empty(t("members.nothing"), chosen && (() => go({q: undefined, role: undefined, page: undefined}))),
    h("p", {class: "problem", role: "alert", id: "permissions-problem"}),
    h("div", {class: "bar"}, h("span", {id: "permissions-count"}, counted()),
      button(t("undo"), () => undo(again), {id: "permissions-undo", disabled: ofShown().length === 0}),
      button(t("save"), () => save(again), {class: "primary", id: "permissions-save", disabled: ofShown().length === 0})),
    pager(found.totalResults),
  ];
}
