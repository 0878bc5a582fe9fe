
"use strict";

// The page reads without this script; it adds the controls: theme, sorting, filtering, copying, enlarging.

const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

function stored(value) {
  try { // a browser may forbid pages of files to keep anything
    if (value !== undefined) localStorage.setItem("mlzoo-theme", value);
    return localStorage.getItem("mlzoo-theme");
  } catch { return null; }
}

function chooseTheme(theme) {
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
}

chooseTheme(stored()); // before anything is drawn

function say(text) {
  document.querySelector(".announce").textContent = text;
}

function themeButton() {
  const button = document.querySelector(".theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    chooseTheme(theme);
    stored(theme);
    show();
  });
  dark.addEventListener("change", show);
  show();
}

// What a row sorts by: a number where the cell has one, else its text; nothing comes last.
function sortValue(row, column) {
  const cell = row.cells[column];
  if ("value" in cell.dataset) return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text === "-" || text === "" ? null : text;
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number") return sign * (a - b);
  return sign * a.localeCompare(b, "en", { numeric: true });
}

function sortBy(table, heading) {
  const first = heading.dataset.sort;
  const other = first === "ascending" ? "descending" : "ascending";
  const order = heading.getAttribute("aria-sort") === first ? other : first;
  const column = heading.cellIndex;
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  for (const body of table.tBodies) { // rows of different selection never mix
    const rows = [...body.querySelectorAll("tr.row")];
    rows.sort((one, two) => compare(sortValue(one, column), sortValue(two, column), sign));
    body.append(...rows);
  }
  say(`Sorted by ${heading.textContent.trim()}, ${order}`);
}

function sortable(table) {
  for (const heading of table.querySelectorAll("thead th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortBy(table, heading));
  }
}

function filterable(toolbar) {
  const label = toolbar.querySelector(".filter");
  const table = toolbar.nextElementSibling.querySelector("table");
  const rows = [...table.querySelectorAll("tbody tr.row")];
  const count = toolbar.querySelector(".count");
  label.hidden = rows.length < 2;
  label.querySelector("input").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.dataset.filter.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
}

async function copy(button) {
  const pre = button.parentElement.querySelector("pre");
  try {
    await navigator.clipboard.writeText(pre.textContent);
  } catch { // not allowed here: mark it, so that a key copies it
    getSelection().selectAllChildren(pre);
    say("Selected; copy it with the keyboard");
    return;
  }
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function enlargeable(image) {
  const viewer = document.querySelector(".viewer");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "zoom";
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const large = viewer.querySelector("img");
    large.src = image.src;
    large.alt = image.alt;
    viewer.showModal();
  });
}

document.addEventListener("DOMContentLoaded", () => {
  themeButton();
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll(".toolbar:has(.filter)").forEach(filterable);
  document.querySelectorAll(".picture img").forEach(enlargeable);
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
});
