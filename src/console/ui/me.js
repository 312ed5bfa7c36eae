// /me: the own memberships and requests; asking, withdrawing, asking again.

import {h, ask as dialog, button, field, say} from "./dom.js";
import {t, date, dateTime} from "./text.js";
import {Problem, session, scim, me, explain, quote, MEMBERSHIP} from "./api.js";
import {badges} from "./members.js";
import {finder} from "./users.js";

const ofMe = (status) => ({filter: `user.value eq ${quote(session.user)} and status eq ${quote(status)}`, count: 200, sortBy: "organization.display"});

async function mine(status) {
  return (await scim.get("/Memberships", ofMe(status))).Resources || [];
}

const request = (id) => scim.post("/Memberships", {schemas: [MEMBERSHIP], organization: {value: id}});

async function askToJoin(again) {
  let chosen = null;
  const find = async (text) => {
    const found = await scim.get("/Groups", {attributes: "displayName", sortBy: "displayName", count: 10,
      filter: ["urn:kiops:params:scim:schemas:extension:2.0:Organization:joinPolicy eq \"open\"", text && `displayName co ${quote(text)}`].filter(Boolean).join(" and ")});
    return (found.Resources || []).map((one) => ({id: one.id, name: one.displayName}));
  };
  const done = await dialog({title: t("join.title"), action: t("join.go"), cancel: t("cancel"), explain: (error) => explain(error, {organization: chosen?.name || "", name: ""}),
    content: [h("p", {}, t("join.text")), finder({id: "join-organization", label: t("organization.find"), find, take: (one) => { chosen = one; }})],
    save: async () => {
      if (!chosen) throw new Problem("refused", t("find.first"));
      await request(chosen.id);
    }});
  if (!done) return;
  await again();
  say(t("join.done", {organization: chosen.name}));
}

async function repeat(one, again) {
  const done = await dialog({title: t("join.again.title", {organization: one.organization.display}), action: t("join.again"), cancel: t("cancel"),
    content: h("p", {}, t("join.text")), save: () => request(one.organization.value), explain: (error) => explain(error, {organization: one.organization.display, name: ""})});
  if (!done) return;
  await again();
  say(t("join.done", {organization: one.organization.display}));
}

async function withdraw(one, again) {
  const done = await dialog({title: t("withdraw.title", {organization: one.organization.display}), content: h("p", {}, t("withdraw.text")), action: t("withdraw"), cancel: t("cancel"),
    save: () => scim.remove(`/Memberships/${one.id}`), explain: (error) => explain(error, {organization: one.organization.display, name: ""})});
  if (!done) return;
  await again();
  say(t("withdraw.done", {organization: one.organization.display}));
}

const card = (one, ...content) => h("li", {class: "card", "data-organization": one.organization.display}, h("h3", {}, one.organization.display), content);

export const ask = () => Promise.all([me(), mine("active"), mine("pending"), mine("rejected")]);

export async function show(again, [who, active, pending, rejected]) {
  const list = (id, title, items, render) => items.length > 0 && h("section", {id}, h("h2", {}, title), h("ul", {class: "cards"}, items.map(render)));
  return [
    h("h1", {}, t("me.title")),
    h("p", {}, t("me.who", {name: who.displayName || who.userName, email: who.emails?.[0]?.value || who.userName}), session.admin && h("strong", {}, " PlatformAdmin")),
    list("me-active", t("me.active"), active, (one) => card(one, h("p", {}, h("strong", {}, one.organizationRole), ` · ${t("me.since", {date: date(one.joinDate)})}`), badges(one.permissions))),
    list("me-pending", t("me.pending"), pending, (one) => card(one, h("p", {}, h("span", {class: "state wait"}, t("pending.state")), ` · ${t("me.asked", {date: dateTime(one.requestedAt)})}`),
      h("div", {class: "buttons"}, button(t("withdraw"), () => withdraw(one, again), {id: `withdraw-${one.organization.value}`})))),
    list("me-rejected", t("me.rejected"), rejected, (one) => card(one, h("p", {}, h("span", {class: "state off"}, t("rejected.state")), ` · ${date(one.rejectedAt)}`),
      h("div", {class: "buttons"}, button(t("join.again"), () => repeat(one, again), {id: `again-${one.organization.value}`})))),
    !active.length && !pending.length && !rejected.length && h("p", {class: "empty", id: "empty"}, t("me.empty")),
    h("div", {class: "buttons"}, button(t("join.title"), () => askToJoin(again), {class: "primary", id: "join"})),
  ];
}
