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

// By hand: the browser's own formatters take longer to make than the rest of the page.
export const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, t("number.group"));

function written(name, text) {
  if (!text) return t("none");
  const at = new Date(text);
  const hour = at.getHours();
  return t(name, {year: at.getFullYear(), month: t("date.months").split(" ")[at.getMonth()], day: at.getDate(), hour: hour % 12 || 12,
    minute: String(at.getMinutes()).padStart(2, "0"), half: t("time.halves").split(" ")[hour < 12 ? 0 : 1]});
}

export const date = (text) => written("date", text);
export const dateTime = (text) => written("date.time", text);
