// The thread's questions, each with the answer and what the visitor's own runs say; all of it as Markdown.
// props.value = [{kind, title, asked, answer}]; the runs are those of runs.js.
const list = element.querySelector('.answers'), acts = element.querySelector('.share'), LATEST = 3;
const kindOf = run => new URLSearchParams(run.link).get('kind');
const runsOf = entry => found().filter(run => kindOf(run) === entry.kind).slice(-LATEST);
const entries = () => (Array.isArray(props.value) ? props.value : []);

const told = run => String(run.told).replace(/([\\`*_\[\]<>|~#])/g, '\\$1');
const section = entry => [`### ${entry.asked}`, entry.answer,
  runsOf(entry).map(run => `- ${told(run)} ([open this experiment](${address(run)}))`).join('\n')].filter(Boolean).join('\n\n');
const markdown = () => ['## What noise does in a diffusion model', ...entries().filter(entry => runsOf(entry).length).map(section),
  `Made with [diffdemo](${space(found()[0] || {}) || own()}): every number was computed by a real model, and every link runs it again.`].join('\n\n') + '\n';

const draw = () => {
  list.replaceChildren();
  let open = 0;
  entries().forEach(entry => {
    const box = tag('section', '', list), runs = runsOf(entry);
    tag('h3', '', box, entry.asked);
    tag('p', '', box, entry.answer);
    if (!runs.length) {
      open++;
      button(tag('p', 'missing', box, 'You have not looked yet. '), `See it: ${entry.title}`, () => openTab(entry.title));
      return;
    }
    const said = tag('ul', '', box);
    runs.forEach(run => {
      const line = tag('li', '', said);
      tag('span', '', line, unbroken(run.told));
      const link = tag('a', '', line, 'Open');
      link.href = `?${run.link}`;
      link.setAttribute('aria-label', `Open this experiment: ${run.told}`);
      button(line, 'Leave out', () => keep(found().filter(other => other.link !== run.link)));
    });
  });
  acts.replaceChildren();
  const copied = button(acts, 'Copy all as Markdown', made => copy(markdown(), made, acts));
  copied.disabled = open === entries().length;
};
watch('value', draw);
addEventListener(FOUND, draw);
draw();
