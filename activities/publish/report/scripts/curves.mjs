// Curves that answer: the point nearest to the mouse, or to the slider below, with its step and values.
const SVG = 'http://www.w3.org/2000/svg';
const digits = (value) =>
  Math.abs(value) < 0.001 && value !== 0 ? value.toExponential(2) : Number(value.toPrecision(5));

for (const figure of document.querySelectorAll('[data-script="curve"]')) {
  const plot = figure.querySelector('.plot');
  const svg = plot.querySelector('svg');
  const probe = figure.querySelector('.probe');
  const said = figure.querySelector('output');
  const { x, y, lines } = JSON.parse(plot.dataset.plot);
  const steps = [...new Set(lines.flatMap(({ points }) => points.map(([step]) => step)))].sort(
    (a, b) => a - b,
  );
  if (steps.length === 0) continue;

  const strokes = [...svg.querySelectorAll('[aria-label="line"]')];
  const hidden = new Set();
  const marks = document.createElementNS(SVG, 'g');
  svg.append(marks);
  const on = ({ domain: [from, to], range: [start, end] }, value) =>
    start + ((value - from) / (to - from)) * (end - start);

  const nearest = (points, step) =>
    points.reduce((best, point) => (Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best));
  const show = (index) => {
    const step = steps[index];
    const shown = lines
      .filter(({ name, points }) => points.length > 0 && !hidden.has(name))
      .map(({ name, points }) => ({ name, point: nearest(points, step) }));
    const text = shown.map(({ name, point }) => `${shown.length > 1 ? `${name} ` : ''}${digits(point[1])}`);
    said.textContent = `step ${step}: ${text.join(', ')}`;
    probe.setAttribute('aria-valuetext', said.textContent);
    marks.replaceChildren(
      cursorAt(on(x, step)),
      ...shown.map(({ point }) => dotAt(on(x, point[0]), on(y, point[1]))),
    );
  };
  const cursorAt = (at) => {
    const [low, high] = y.range;
    return drawn('line', {
      x1: at,
      x2: at,
      y1: low,
      y2: high,
      stroke: 'var(--muted)',
      'stroke-dasharray': '2 3',
    });
  };
  const dotAt = (cx, cy) =>
    drawn('circle', { cx, cy, r: 4, fill: 'var(--card)', stroke: 'var(--ink)', 'stroke-width': 2 });

  probe.max = steps.length - 1;
  probe.value = probe.max;
  probe.hidden = false;
  probe.addEventListener('input', () => show(Number(probe.value)));
  show(Number(probe.value));
  svg.addEventListener('pointermove', (event) => {
    const frame = svg.getBoundingClientRect();
    const at = ((event.clientX - frame.left) * svg.viewBox.baseVal.width) / frame.width;
    const [start, end] = x.range;
    const step = x.domain[0] + ((at - start) / (end - start)) * (x.domain[1] - x.domain[0]);
    probe.value = steps.indexOf(steps.reduce((a, b) => (Math.abs(b - step) < Math.abs(a - step) ? b : a)));
    show(Number(probe.value));
  });

  if (lines.length < 2) continue;
  for (const [i, key] of figure.querySelectorAll('[data-line]').entries()) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'key';
    button.append(...key.childNodes);
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      const { name } = lines[i];
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute('aria-pressed', String(!hidden.has(name)));
      strokes[i].style.display = hidden.has(name) ? 'none' : '';
      show(Number(probe.value));
    });
    key.replaceWith(button);
  }
}

function drawn(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
