// The tab Organization Users: Name, Email, Role, System Permissions, Join Date, Actions.

import {h, button} from "./dom.js";
import {t, date} from "./text.js";
import {session, quote} from "./api.js";
import {go, place} from "./place.js";
import {empty, filter, load, order, pager, search, table} from "./table.js";
import {addMember, changePermissions, changeRole, editProfile, removeMember} from "./changes.js";

export const PERMISSIONS = ["infra", "service", "backup", "device", "database", "vpn", "audit"];
export const STATES = ["active", "inactive"];
export const ROLES = ["PlatformAdmin", "Manager", "Member"];
const SORTS = {__proto__: null, name: "user.display", email: "user.email", role: "role", joined: "joinDate"};

export const nameOf = (one) => one.user.display || one.user.userName;
export const isSelf = (one) => one.user.value === session.user;

// A list of Memberships by the address: those of `status` in this organization.
export function query(organizationId, status, sorts, [sort, way]) {
  const {q, role, status: active} = place();
  const text = q && quote(q);
  return {
    filter: [`organization.value eq ${quote(organizationId)} and status eq ${quote(status)}`,
      text && `(user.email co ${text} or user.display co ${text} or user.userName co ${text})`,
      ROLES.includes(role) && `role eq ${quote(role)}`,
      STATES.includes(active) && `user.active eq ${active === "active"}`].filter(Boolean).join(" and "),
    sortBy: sorts[sort] || sorts.email, sortOrder: way,
  };
}

export function badges(permissions = []) {
  return h("ul", {class: "badges", "aria-label": t("column.permissions")}, PERMISSIONS.map((one) => {
    const has = permissions.includes(one);
    return h("li", {class: has ? "badge on" : "badge off", "data-permission": one},
      h("span", {role: "img", "aria-label": t(has ? "granted" : "not.granted")}, has ? "✓" : "–"), ` ${one}`);
  }));
}

// Why this row offers nothing, or nothing of a kind; null: it does.
export function whyNot(one) {
  if (isSelf(one)) return t(session.admin ? "self.admin" : "self");
  if (one.role === "PlatformAdmin" && !session.admin) return t("of.admin");
  return null;
}
export const whyNoPermissions = (one) => whyNot(one) || (one.organizationRole === "Manager" && !session.admin ? t("of.manager") : null);

export const roleName = (role) => t(`role.${role}`);

function roleCell(one, again) {
  if (whyNot(one)) return h("span", {class: "role"}, one.role);
  return button(one.role, () => changeRole(one, again), {class: "link role", id: `role-${one.user.value}`, "aria-label": t("role.change.of", {role: one.role, name: nameOf(one)})});
}

function actions(one, again) {
  const id = one.user.value;
  const name = nameOf(one);
  const labelled = (what, run, key, properties) => button(t(what), run, {id: `${key}-${id}`, "aria-label": `${t(what)}: ${name}`, ...properties});
  const why = whyNot(one);
  const edit = session.admin && labelled("edit", () => editProfile(one.user.value, again), "edit");
  if (why) return h("div", {class: "actions"}, edit, h("p", {class: "hint", "data-why": ""}, why));
  const none = whyNoPermissions(one);
  return h("div", {class: "actions"}, edit, labelled("role.change", () => changeRole(one, again), "change"),
    !none && labelled("permissions.change", () => changePermissions(one, again), "permissions"),
    labelled("remove", () => removeMember(one, again), "remove", {class: "danger quiet"}),
    none && h("p", {class: "hint", "data-why": ""}, none));
}

const sorting = () => order(["email", "ascending"]);

export const find = (organizationId) => load("/Memberships", query(organizationId, "active", SORTS, sorting()));

export function show(organization, again, found) {
  const sorted = sorting();
  const items = found.Resources || [];
  const chosen = place().q || place().role || place().status;
  const columns = [
    {title: t("column.name"), sort: "name", cell: nameOf},
    {title: t("column.email"), sort: "email", cell: (one) => one.user.email || t("none")},
    {title: t("column.role"), sort: "role", cell: (one) => roleCell(one, again)},
    {title: t("column.permissions"), cell: (one) => badges(one.permissions)},
    {title: t("column.joined"), sort: "joined", cell: (one) => (one.joinDate ? h("time", {datetime: one.joinDate}, date(one.joinDate)) : t("none"))},
    {title: t("column.actions"), cell: (one) => actions(one, again)},
  ];
  return [
    h("div", {class: "controls"}, search(t("search.hint")),
      filter("role", t("column.role"), ROLES.map((role) => [role, role])),
      filter("status", t("column.status"), [["active", t("active")], ["inactive", t("inactive")]]),
      session.admin && button(t("add.member"), () => addMember(organization, again), {id: "add-member"})),
    items.length ? table({caption: t("members.caption", {organization: organization.name}), columns, items, sorted, row: (one) => ({"data-user": one.user.userName})})
      : empty(t(chosen ? "members.nothing" : "members.empty"), chosen && (() => go({q: undefined, role: undefined, status: undefined, page: undefined}))),
    pager(found.totalResults),
  ];
}
