// Rows of pictures with a few words under each: what a tab shows that has no script of its own.
// props.value is data only, see Presenter.page.
const rows = element.querySelector('.rows');
const drawTile = (entry, label, parent) => {
  const outcome = {true: 'back', false: 'changed'}[entry.back] || '';
  const figure = tag('figure', outcome, parent);
  picture(entry.src, `${label} ${entry.text || ''}`.trim(), figure);
  tag('figcaption', '', figure, unbroken(entry.text));
};
const draw = () => {
  const value = props.value;
  rows.replaceChildren();
  if (!value || !Array.isArray(value.rows)) return;
  value.rows.forEach(row => {
    tag('h3', '', rows, row.label);
    const tiles = tag('div', 'tiles', rows);
    row.tiles.forEach(entry => drawTile(entry, row.label, tiles));
  });
};
watch('value', draw);
draw();
