// The tab of all people: for PlatformAdmins.

import {h, button} from "./dom.js";
import {t, date} from "./text.js";
import {quote, USER} from "./api.js";
import {go, place} from "./place.js";
import {empty, filter, load, order, pager, search, table} from "./table.js";
import {STATES} from "./members.js";
import {addUser, editProfile} from "./changes.js";

const SORTS = {__proto__: null, name: "displayName", email: "emails.value", user: "userName", created: "meta.created"};

function query([sort, way]) {
  const {q, status, role} = place();
  const text = q && quote(q);
  return {
    attributes: `userName,displayName,emails,active,meta.created,${USER}`,
    filter: [text && `(userName co ${text} or displayName co ${text} or emails.value co ${text})`,
      STATES.includes(status) && `active eq ${status === "active"}`,
      role === "PlatformAdmin" && `${USER}:platformRole eq "PlatformAdmin"`,
      ["Manager", "Member"].includes(role) && `${USER}:memberships.role eq ${quote(role)}`].filter(Boolean).join(" and "),
    sortBy: SORTS[sort] || SORTS.name, sortOrder: way,
  };
}

function roles(user) {
  const more = user[USER] || {};
  const places = (more.memberships || []).filter((one) => one.status === "active");
  return h("ul", {class: "plain"}, more.platformRole && h("li", {}, h("strong", {}, more.platformRole)),
    places.slice(0, 5).map((one) => h("li", {}, `${one.display}: ${one.role}`)), places.length > 5 && h("li", {class: "hint"}, t("and.more", {count: places.length - 5})),
    !more.platformRole && !places.length && h("li", {class: "hint"}, t("none")));
}

const sorting = () => order(["name", "ascending"]);

export const find = () => load("/Users", query(sorting()));

export function show(_, again, found) {
  const sorted = sorting();
  const items = found.Resources || [];
  const chosen = place().q || place().status || place().role;
  const name = (user) => user.displayName || user.userName;
  const columns = [
    {title: t("column.name"), sort: "name", cell: name},
    {title: t("column.email"), sort: "email", cell: (user) => (user.emails?.find((one) => one.primary) || user.emails?.[0])?.value || t("none")},
    {title: t("column.userName"), sort: "user", cell: (user) => user.userName},
    {title: t("column.roles"), cell: roles},
    {title: t("column.status"), cell: (user) => h("span", {class: user.active ? "state on" : "state off"}, t(user.active ? "active" : "inactive"))},
    {title: t("column.created"), sort: "created", cell: (user) => date(user.meta?.created)},
    {title: t("column.actions"), cell: (user) => h("div", {class: "actions"}, button(t("edit"), () => editProfile(user.id, again), {id: `edit-${user.id}`, "aria-label": `${t("edit")}: ${name(user)}`}))},
  ];
  return [
    h("div", {class: "controls"}, search(t("search.hint")), filter("role", t("column.role"), ["PlatformAdmin", "Manager", "Member"].map((role) => [role, role])),
      filter("status", t("column.status"), [["active", t("active")], ["inactive", t("inactive")]]),
      button(t("user.add"), () => addUser(again), {class: "primary", id: "add-user"})),
    items.length ? table({caption: t("tab.all"), columns, items, sorted, row: (user) => ({"data-user": user.userName})})
      : empty(t("members.nothing"), chosen && (() => go({q: undefined, role: undefined, status: undefined, page: undefined}))),
    pager(found.totalResults),
  ];
}
