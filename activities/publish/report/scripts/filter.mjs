// Rows of a table by a part of their name. Rows that are folded away are found as well.
for (const tool of document.querySelectorAll('[data-script="filter"]')) {
  const frame = tool.closest('[data-filter]');
  const input = tool.querySelector('input');
  const said = tool.querySelector('output');
  tool.hidden = false;
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...frame.querySelectorAll('tbody tr')];
    for (const row of rows) {
      const name = (row.dataset.words ?? row.querySelector('th').textContent).toLowerCase();
      row.hidden = !words.every((word) => name.includes(word));
    }
    frame.dataset.filter = words.length > 0 ? 'on' : 'off';
    said.textContent =
      words.length > 0 ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : '';
  };
  input.addEventListener('input', filter);
  // A reloaded page keeps what was typed.
  filter();
}
