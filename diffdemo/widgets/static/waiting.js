// Before Gradio's own scripts, once a page: tells the page how long a run waits for others. Gradio hears what becomes of queued events from one
// stream, '/queue/data'; this reads along. Whenever it changes, and as the seconds pass, `document` gets the event 'diffdemo:waiting' with
// detail = {before, seconds}: how many runs are before the visitor's next one, the one under way included, and in about how many seconds that one
// begins (null as long as no run has ended since the server started). Once it begins, or is given up, that is {before: 0, seconds: 0}.
// window.diffdemoWaiting is the latest detail, for whoever comes later. The server counts runs only, see FairQueue.tell.
{
  const waiting = new Map(), fetched = window.fetch; // event id → {before, seconds, at} of a run that waits
  const HEAD = /^data: \{"msg": ?"(estimation|process_starts|process_completed)", ?"event_id": ?"(\w+)"/, LONGEST = 1000;
  const detail = () => {
    const next = [...waiting.values()].sort((a, b) => a.before - b.before)[0];
    if (!next) return {before: 0, seconds: 0};
    const left = next.seconds === null ? null : Math.max(1, Math.round(next.seconds - (performance.now() - next.at) / 1000));
    return {before: next.before, seconds: left};
  };
  window.diffdemoWaiting = detail();
  const tell = () => {
    const now = detail(), before = window.diffdemoWaiting;
    if (now.before === before.before && now.seconds === before.seconds) return;
    window.diffdemoWaiting = now;
    document.dispatchEvent(new CustomEvent('diffdemo:waiting', {detail: now}));
  };
  const read = line => {
    const [, what, id] = HEAD.exec(line) || [];
    if (!id) return;
    waiting.delete(id);
    const {rank, rank_eta: seconds} = what === 'estimation' ? JSON.parse(line.slice(6)) : {};
    if (rank > 0) waiting.set(id, {before: rank, seconds: typeof seconds === 'number' ? seconds : null, at: performance.now()});
    tell();
  };
  // The stream passes through unchanged. Messages about waiting are short: of a long line only its start is looked at.
  const along = body => {
    const from = body.getReader(), letters = new TextDecoder();
    let rest = '';
    const end = () => { waiting.clear(); tell(); };
    const pull = async to => {
      try {
        const {done, value} = await from.read();
        if (done) { end(); to.close(); return; }
        to.enqueue(value);
        const lines = (rest + letters.decode(value, {stream: true})).split('\n');
        rest = lines.pop().slice(0, LONGEST);
        lines.forEach(read);
      } catch (error) { end(); to.error(error); }
    };
    return new ReadableStream({pull, cancel: reason => { end(); return from.cancel(reason); }});
  };
  window.fetch = async (asked, options) => {
    const answer = await fetched(asked, options), address = new URL(String((asked && asked.url) || asked), location.href);
    if (!answer.ok || !answer.body || !address.pathname.endsWith('/queue/data')) return answer;
    return new Response(along(answer.body), {status: answer.status, statusText: answer.statusText, headers: answer.headers});
  };
  setInterval(() => { if (waiting.size) tell(); }, 1000);
}
