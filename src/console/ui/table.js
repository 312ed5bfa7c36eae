// Lists: search, filters, a table whose head sorts, and pages; all by the address.

import {h, button} from "./dom.js";
import {t, number} from "./text.js";
import {scim} from "./api.js";
import {address, follow, go, place} from "./place.js";

export const PAGE = 25;

export function search(placeholder) {
  const input = h("input", {id: "q", name: "q", type: "search", value: place().q || "", placeholder, "aria-label": t("search.label"), maxlength: 100});
  return h("form", {role: "search", class: "search", id: "search", onsubmit: (event) => {
    event.preventDefault();
    go({q: input.value.trim(), page: undefined});
  }}, input, h("button", {type: "submit", id: "search-go"}, t("search.go")));
}

// `options`: [value, text]; the empty value is "all".
export function filter(name, label, options) {
  const now = place()[name] || "";
  return h("div", {class: "filter"}, h("label", {for: `filter-${name}`}, label),
    h("select", {id: `filter-${name}`, onchange: (event) => go({[name]: event.target.value, page: undefined})},
      [["", t("filter.all")], ...options].map(([value, text]) => h("option", {value, selected: value === now}, text))));
}

// The order in force: `fallback` is [name, "ascending"].
export function order(fallback) {
  const {sort, order: way} = place();
  return sort ? [sort, way === "descending" ? "descending" : "ascending"] : fallback;
}

function head(column, [sorted, way]) {
  if (!column.sort) return h("th", {scope: "col"}, column.title);
  const next = column.sort === sorted && way === "ascending" ? "descending" : "ascending";
  return h("th", {scope: "col", "aria-sort": column.sort === sorted ? way : "none"},
    button([column.title, h("span", {class: "arrow", "aria-hidden": "true"}, column.sort !== sorted ? "↕" : way === "ascending" ? "↑" : "↓")],
      () => go({sort: column.sort, order: next, page: undefined}), {class: "sort", id: `sort-${column.sort}`}));
}

// `columns`: {title, sort, cell(item), class(item)}; `row(item)` may give attributes of its row.
export function table({caption, columns, items, sorted, row = () => ({})}) {
  const cell = (column, item, first) => h(first ? "th" : "td", {scope: first && "row", "data-label": column.title, class: column.class?.(item)}, column.cell(item));
  return h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption}, h("table", {id: "list"},
    h("caption", {class: "hidden"}, caption),
    h("thead", {}, h("tr", {}, columns.map((column) => head(column, sorted)))),
    h("tbody", {}, items.map((item) => h("tr", row(item), columns.map((column, n) => cell(column, item, n === 0)))))));
}

export const pageNumber = () => Math.max(1, Math.min(1e6, Number.parseInt(place().page, 10) || 1));

const lastPage = (total) => Math.max(1, Math.ceil(total / PAGE));

// The page of that list which the address names. Behind the last one, after a removal or by an old link, it is the last one.
export async function load(path, query) {
  const now = pageNumber();
  const of = (page) => scim.get(path, {...query, count: PAGE, startIndex: (page - 1) * PAGE + 1});
  const found = await of(now);
  const last = lastPage(found.totalResults);
  if (now <= last || now !== pageNumber()) return found;
  history.replaceState(null, "", address({page: last === 1 ? undefined : last}));
  return of(last);
}

export function pager(total) {
  const now = pageNumber();
  const last = lastPage(total);
  const from = (now - 1) * PAGE + 1;
  const step = (page, name, enabled) => (enabled
    ? h("a", {href: address({page: page === 1 ? undefined : page}), onclick: follow, class: "button", id: `page-${name}`, rel: name}, t(`page.${name}`))
    : h("span", {class: "button off", "aria-disabled": "true"}, t(`page.${name}`)));
  return h("nav", {class: "pager", "aria-label": t("page.label")},
    h("p", {id: "count"}, total ? t("page.range", {from: number(from), to: number(Math.min(total, from + PAGE - 1)), total: number(total)}) : t("page.none")),
    last > 1 && h("div", {class: "buttons"}, step(now - 1, "prev", now > 1), step(now + 1, "next", now < last)));
}

export function empty(text, reset) {
  return h("div", {class: "empty", id: "empty"}, h("p", {}, text), reset && button(t("filter.reset"), reset, {id: "reset"}));
}
