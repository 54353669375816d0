// What the dial's n means, computed from alpha_bar. props.value = [{name, term, help}].
const list = element.querySelector('.rows');
const three = value => Number(value.toPrecision(3)).toString();
const values = (n, alpha, T) => ({
  strength: (n / T).toFixed(3), alpha_bar: three(alpha), snr: n === 0 ? 'no noise' : three(alpha / (1 - alpha)), amplitude: `${three(100 * Math.sqrt(alpha))}\u00a0%`,
});
const draw = () => {
  const table = window.diffdemoAlphaBar, n = Number(document.documentElement.dataset.n);
  if (!table || !(n < table.length)) return;
  const known = values(n, table[n], table.length - 1);
  list.replaceChildren();
  (Array.isArray(props.value) ? props.value : []).forEach(row => { tag('dt', '', list, row.term).title = row.help; tag('dd', '', list, known[row.name]); });
};
document.addEventListener('diffdemo:n', draw);
watch('value', draw);
draw();
