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

const boxes = (one) => [...document.querySelectorAll(`input[data-of="${one.user.value}"]`)];
const wanted = (one) => boxes(one).filter((box) => box.checked).map((box) => box.value);
const differs = (one) => boxes(one).some((box) => box.checked !== (one.permissions || []).includes(box.value));

function note(items) {
  const changed = items.filter(differs);
  for (const one of items) {
    for (const box of boxes(one)) box.closest("td").classList.toggle("changed", box.checked !== (one.permissions || []).includes(box.value));
  }
  byId("permissions-save").disabled = byId("permissions-undo").disabled = changed.length === 0;
  byId("permissions-count").textContent = changed.length ? t("permissions.changed", {count: number(changed.length)}) : t("permissions.unchanged");
}

async function save(items, again) {
  const failed = [];
  const changed = items.filter(differs);
  byId("permissions-save").disabled = true;
  for (const one of changed) { // one after another: the first refusal of a person leaves the others
    try {
      await setPermissions(one, wanted(one));
    } catch (error) {
      failed.push(`${nameOf(one)}: ${explain(error, whoIs(one))}`);
      if (error.kind !== "refused") break;
    }
  }
  await again();
  const text = failed.length ? failed.join(" ") : t("permissions.saved", {count: number(changed.length)});
  byId("permissions-problem").textContent = failed.length ? text : "";
  say(text);
}

function cell(one, name, items) {
  const why = whyNoPermissions(one);
  return h("input", {type: "checkbox", "data-of": one.user.value, value: name, id: `${name}-${one.user.value}`, checked: (one.permissions || []).includes(name),
    disabled: why !== null, title: why, "aria-label": `${name}: ${nameOf(one)}`, onchange: () => note(items)});
}

const sorting = () => order(["name", "ascending"]);

export const ask = () => choose((id) => load("/Memberships", query(id, "active", SORTS, sorting())));

export async function show(again, {choices, organization, found}) {
  if (!organization) return [h("h1", {}, t("permissions.title")), h("p", {class: "empty"}, t(session.admin ? "users.no.organization" : "users.none"))];
  const sorted = sorting();
  const items = found.Resources || [];
  const columns = [
    {title: t("column.name"), sort: "name", cell: (one) => [nameOf(one), h("span", {class: "hint"}, ` ${one.role}`), whyNoPermissions(one) && h("p", {class: "hint", "data-why": ""}, whyNoPermissions(one))]},
    ...PERMISSIONS.map((name) => ({title: name, cell: (one) => cell(one, name, items)})),
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
    h("div", {class: "bar"}, h("span", {id: "permissions-count"}, t("permissions.unchanged")),
      button(t("undo"), again, {id: "permissions-undo", disabled: true}),
      button(t("save"), () => save(items, again), {class: "primary", id: "permissions-save", disabled: true})),
    pager(found.totalResults),
  ];
}
