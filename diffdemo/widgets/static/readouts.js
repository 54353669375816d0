// Landmarks under the dial and what n means. props.value = {n, T, marks: [{n, text}], rows: [{term, value, help}]}.
// The other components learn the dial's n from the document: its data-n, and the event 'diffdemo:n' when it changes.
const marks = element.querySelector('.marks'), list = element.querySelector('.rows');
const draw = () => {
  const value = props.value || {};
  marks.replaceChildren(); list.replaceChildren();
  (value.marks || []).forEach(mark => {
    const button = tag('button', '', marks);
    button.type = 'button'; button.dataset.n = mark.n;
    tag('b', '', button, mark.n); tag('span', '', button, mark.text);
    button.setAttribute('aria-label', `Set n to ${mark.n}: ${mark.text}`);
  });
  if (Number.isInteger(value.n)) { document.documentElement.dataset.n = value.n; document.dispatchEvent(new Event('diffdemo:n')); }
  (value.rows || []).forEach(row => { tag('dt', '', list, row.term).title = row.help; tag('dd', '', list, row.value); });
};
marks.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (button) trigger('select', {index: +button.dataset.n, value: null});
});
watch('value', draw);
draw();
