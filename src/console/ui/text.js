// The page's words: one JSON a language.

let words = {};
let language = "en";

export async function loadWords(wanted) {
  const answer = await fetch(new URL(`./${wanted}.json`, import.meta.url));
  words = await answer.json();
  language = wanted;
  document.documentElement.lang = wanted;
}

// The text of that name with {places} filled in. A name without a text is shown as it is, and seen in the tests.
export function t(name, places = {}) {
  return (words[name] ?? name).replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);
}

export const has = (name) => name in words;
export const currentLanguage = () => language;
export const number = (n) => new Intl.NumberFormat(language).format(n);

export function date(text) {
  return text ? new Intl.DateTimeFormat(language, {dateStyle: "medium"}).format(new Date(text)) : t("none");
}

export function dateTime(text) {
  return text ? new Intl.DateTimeFormat(language, {dateStyle: "medium", timeStyle: "short"}).format(new Date(text)) : t("none");
}
