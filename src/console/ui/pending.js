// The tab Pending Approval (N): email, name, request time, status, Approve and Reject.

import {h, button, ask, say} from "./dom.js";
import {t, dateTime} from "./text.js";
import {scim, explain, Problem} from "./api.js";
import {go, place} from "./place.js";
import {empty, filter, load, order, pager, search, table} from "./table.js";
import {isSelf, nameOf, query} from "./members.js";
import {whoIs} from "./changes.js";

const SORTS = {__proto__: null, email: "user.email", name: "user.display", requested: "requestedAt"};

async function approve(one, again) {
  try {
    await scim.patch(`/Memberships/${one.id}`, [{op: "replace", path: "status", value: "active"}]);
    say(t("approve.done", whoIs(one)));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    await ask({title: t("approve.failed", whoIs(one)), content: h("p", {id: "why"}, explain(error, whoIs(one))), cancel: t("close")});
  }
  await again();
}

async function reject(one, again) {
  const done = await ask({title: t("reject.title", whoIs(one)), content: h("p", {}, t("reject.text", whoIs(one))), action: t("reject"), cancel: t("cancel"),
    danger: true, save: () => scim.remove(`/Memberships/${one.id}`), explain: (error) => explain(error, whoIs(one))});
  if (done) say(t("reject.done", whoIs(one)));
  await again();
}

function actions(one, again) {
  const labelled = (what, run, more) => button(t(what), () => run(one, again), {id: `${what}-${one.user.value}`, "aria-label": `${t(what)}: ${nameOf(one)}`, ...more});
  if (isSelf(one)) return h("p", {class: "hint", "data-why": ""}, t("self.request"));
  return h("div", {class: "actions"}, labelled("approve", approve, {class: "primary"}), labelled("reject", reject, {class: "danger quiet"}));
}

const sorting = () => order(["requested", "ascending"]);

export const find = (organizationId) => load("/Memberships", query(organizationId, "pending", SORTS, sorting()));

export function show(organization, again, found) {
  const sorted = sorting();
  organization.pending = place().q || place().status ? organization.pending : found.totalResults;
  const items = found.Resources || [];
  const chosen = place().q || place().status;
  const columns = [
    {title: t("column.email"), sort: "email", cell: (one) => one.user.email || t("none")},
    {title: t("column.name"), sort: "name", cell: nameOf},
    {title: t("column.requested"), sort: "requested", cell: (one) => h("time", {datetime: one.requestedAt}, dateTime(one.requestedAt))},
    {title: t("column.status"), cell: (one) => h("span", {class: one.user.active ? "state on" : "state off"}, t(one.user.active ? "active" : "inactive"))},
    {title: t("column.actions"), cell: (one) => actions(one, again)},
  ];
  return [
    h("div", {class: "controls"}, search(t("search.hint")),
      filter("status", t("column.status"), [["active", t("active")], ["inactive", t("inactive")]])),
    items.length ? table({caption: t("pending.caption", {organization: organization.name}), columns, items, sorted, row: (one) => ({"data-user": one.user.userName})})
      : empty(t(chosen ? "pending.nothing" : "pending.empty"), chosen && (() => go({q: undefined, status: undefined, page: undefined}))),
    pager(found.totalResults),
  ];
}
