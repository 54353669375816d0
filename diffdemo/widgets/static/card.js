// What a model is and takes, and while it loads how far that is. props.value = {text, note, done, total}.
const draw = () => report(element, props.value || {});
watch('value', draw);
draw();
