// A strip of pictures to start from. props.value = [{picture, src, alt}]; choosing one triggers 'select' with its index.
const row = element.querySelector('.examples');
const draw = () => {
  row.replaceChildren();
  (Array.isArray(props.value) ? props.value : []).forEach((entry, index) => {
    if (!isPng(entry.src)) return;
    const button = tag('button', 'tile', row);
    button.type = 'button'; button.dataset.index = index; button.setAttribute('aria-label', 'Use ' + entry.alt);
    picture(entry.src, '', button);
  });
};
row.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (button) trigger('select', {index: +button.dataset.index, value: null});
});
watch('value', draw);
draw();
