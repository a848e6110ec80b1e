"use strict";
const get = (id) => document.getElementById(id);
const table = get("cases"), head = [...table.tHead.rows[0].cells];
const rows = [...table.tBodies].flatMap((body) =>
  [...body.rows].map((row) => ({
    row, area: body.dataset.area, cells: [...row.cells], name: row.cells[0].textContent.trim().toLowerCase(),
  })));
const inputs = ["text", "runtime", "area", "outcome"].map(get);
function filter() {
  const [text, runtime, area, outcome] = inputs.map((input) => input.value);
  const part = text.trim().toLowerCase();
  const column = runtime ? head.findIndex((cell, at) => at > 0 && cell.textContent.trim() === runtime) : 0;
  const wanted = (at) => at > 0 && (!column || at === column);
  head.forEach((cell, at) => { cell.hidden = at > 0 && !wanted(at); });
  let shown = 0;
  for (const { row, area: own, cells, name } of rows) {
    cells.forEach((cell, at) => { cell.hidden = at > 0 && !wanted(at); });
    const hit = cells.some((cell, at) => wanted(at) && (outcome ? cell.classList.contains(outcome) : !column || cell.className));
    row.hidden = !(hit && (!area || own === area) && name.includes(part));
    shown += !row.hidden;
  }
  get("count").textContent = `${shown} of ${rows.length} cases`;
}
inputs.forEach((input) => input.addEventListener("input", filter));
document.forms[0].addEventListener("submit", (event) => event.preventDefault());
filter();
