// The line at the end of a tab that leads to the next. props.value = {text, title}.
const draw = () => {
  const line = element.querySelector('.leads'), value = props.value || {};
  line.replaceChildren();
  tag('span', '', line, value.text);
  button(line, `${value.title} →`, () => openTab(value.title));
};
watch('value', draw);
draw();
