// Landmarks under the dial and what n means. props.value = {T, marks: [{n, text}], rows: [{term, value, help}]}.
const marks = element.querySelector('.marks'), list = element.querySelector('.rows');
const add = (name, parent, text) => { const node = document.createElement(name); node.textContent = String(text); parent.append(node); return node; };
const draw = () => {
  const value = props.value || {};
  marks.replaceChildren(); list.replaceChildren();
  (value.marks || []).forEach(mark => {
    const button = document.createElement('button');
    button.type = 'button'; button.dataset.n = mark.n;
    add('b', button, mark.n); add('span', button, mark.text);
    button.setAttribute('aria-label', `Set n to ${mark.n}: ${mark.text}`);
    marks.append(button);
  });
  (value.rows || []).forEach(row => { const term = add('dt', list, row.term); term.title = row.help; add('dd', list, row.value); });
};
marks.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (button) trigger('select', {index: +button.dataset.n, value: null});
});
watch('value', draw);
draw();
