(() => {
  'use strict';
  const PAGE = 400;  // rows drawn at once: laying out thousands takes a browser seconds, finding among them does not
  const form = document.getElementById('filter');
  const table = document.getElementById('reports');
  const count = document.getElementById('count');
  const more = document.getElementById('more');
  const empty = document.getElementById('empty');
  const bodies = [...table.tBodies];
  const heads = [...table.tHead.rows[0].cells].filter(head => head.dataset.s);
  const columns = heads.map(head => head.dataset.s);
  const selects = [...form.querySelectorAll('select')].filter(select => select !== form.sort);
  const fields = ['q', ...selects.map(select => select.name), 'sort'];
  const gravity = ['not_met', 'undecided', 'met'];
  const collator = new Intl.Collator('zh-Hans-CN', { numeric: true });
  const fold = text => text.normalize('NFKC').toLowerCase().replace(/\s+/g, '');

  // What a row is called, found by and sorted by is read once. From then on rows live here, and the table holds
  // those that are shown.
  const groups = bodies.map(body => ({ body, heading: body.querySelector('.group'), key: body.dataset.k }));
  const rows = groups.flatMap(group => [...group.body.rows].filter(row => 'f' in row.dataset).map(row => {
    const cells = Object.fromEntries(columns.map((name, index) => [name, row.cells[index]]));
    const places = row.dataset.f.split(' ');
    return {
      row, group, cells,
      text: `${fold(cells.name.textContent)} ${fold(cells.year.textContent)}`,
      spoken: ` ${row.dataset.k} ${group.key}`,
      values: selects.map((select, index) => places[index] === '-' ? '' : select.options[+places[index] + 1].value)
    };
  }));
  const flat = document.createElement('tbody');

  const keys = {
    name: cell => cell.querySelector('a').textContent,
    cv: cell => parseFloat(cell.textContent),
    year: cell => cell.textContent,
    source: cell => cell.textContent
  };
  const missing = value => value === '—' || value === -1 || Number.isNaN(value);
  const compare = (a, b) => typeof a === 'number' ? a - b : collator.compare(a, b);
  const sorted = { '': rows };
  const inOrder = wanted => {
    if (sorted[wanted]) return sorted[wanted];
    const [column, direction] = wanted.split('-');
    const key = keys[column] || (cell => gravity.indexOf(cell.className));
    const sign = direction === 'desc' ? -1 : 1;
    const order = rows.map((item, index) => ({ item, index, key: key(item.cells[column]) }));
    order.sort((a, b) => missing(a.key) - missing(b.key)
      || (missing(a.key) ? 0 : sign * compare(a.key, b.key)) || a.index - b.index);
    return sorted[wanted] = order.map(one => one.item);
  };

  let limit = PAGE, found = rows;
  const draw = () => {
    const shown = found.slice(0, limit);
    if (form.sort.value) {
      flat.replaceChildren(...shown.map(item => item.row));
    } else {
      const left = Map.groupBy ? Map.groupBy(shown, item => item.group) : shown.reduce(
        (map, item) => map.set(item.group, [...map.get(item.group) || [], item]), new Map());
      for (const group of groups) {
        const items = left.get(group) || [];
        group.body.replaceChildren(...group.heading && items.length ? [group.heading] : [], ...items.map(i => i.row));
      }
    }
    const wanted = form.sort.value ? [flat] : groups.map(group => group.body).filter(body => body.rows.length);
    for (const body of [...table.tBodies]) if (!wanted.includes(body)) body.remove();
    table.append(...wanted);
    more.hidden = shown.length === found.length;
    more.firstChild.textContent = `显示其余 ${found.length - shown.length} 份报告`;
    empty.hidden = found.length > 0 || rows.length === 0;
  };

  const apply = () => {
    const words = form.q.value.split(/\s+/).map(fold).filter(Boolean);
    const spoken = ` ${words.join('')}`;  // "chang an" is one name; pinyin counts from its beginning, or "an" is in 县
    const asked = selects.map(select => select.value);
    const [column, direction] = form.sort.value.split('-');
    for (const head of heads) {
      if (head.dataset.s === column) head.setAttribute('aria-sort', `${direction}ending`);
      else head.removeAttribute('aria-sort');
    }
    found = inOrder(form.sort.value).filter(item =>
      asked.every((value, index) => !value || item.values[index] === value)
      && (words.every(word => item.text.includes(word) || item.spoken.includes(` ${word}`))
        || item.spoken.includes(spoken)));
    const size = new Map();
    for (const item of found) size.set(item.group, (size.get(item.group) || 0) + 1);
    for (const group of groups) {
      if (group.heading) group.heading.querySelector('small').textContent = `${size.get(group) || 0} 份`;
    }
    const conditions = selects.filter(select => select.value).map(select => select.selectedOptions[0].text);
    if (words.length) conditions.unshift(`检索“${form.q.value.trim()}”`);
    count.textContent = conditions.length
      ? `显示 ${found.length} 份，共 ${rows.length} 份报告（${conditions.join('，')}）`
      : `共 ${rows.length} 份报告`;
    limit = PAGE;
    draw();
  };

  const remember = () => {
    const state = new URLSearchParams();
    for (const name of fields) if (form[name].value) state.set(name, form[name].value);
    const text = state.toString();
    history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
  };

  const recall = () => {
    const hash = location.hash.slice(1);
    const state = new URLSearchParams(hash.includes('=') ? hash : location.search);
    for (const name of fields) {
      form[name].value = state.get(name) || '';
      if (form[name].selectedIndex === -1) form[name].value = '';  // a bookmark from before the list changed
    }
    apply();
  };

  for (const head of heads) {
    const button = document.createElement('button');
    const paper = document.createElement('span');  // browsers leave buttons out of heads repeated on paper
    button.type = 'button';
    paper.className = 'paper';
    button.textContent = paper.textContent = head.textContent;
    head.replaceChildren(button, paper);
    button.addEventListener('click', () => {
      form.sort.value = `${head.dataset.s}-${head.getAttribute('aria-sort') === 'ascending' ? 'desc' : 'asc'}`;
      apply();
      remember();
    });
  }
  let timer;
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => { apply(); remember(); }, 80);
  });
  form.addEventListener('submit', event => event.preventDefault());
  form.addEventListener('reset', () => setTimeout(() => { apply(); remember(); }));
  more.firstChild.addEventListener('click', () => {
    const next = found[limit];
    limit = Infinity;
    draw();
    next.cells.name.querySelector('a').focus();  // where the reader left off, not the top of the page
  });
  let before = PAGE;
  addEventListener('beforeprint', () => { before = limit; limit = Infinity; draw(); });
  addEventListener('afterprint', () => { limit = before; draw(); });
  addEventListener('hashchange', () => { if (!location.hash || location.hash.includes('=')) recall(); });
  form.hidden = rows.length === 0;
  if (location.hash.includes('=') || location.search) recall();
  else if (rows.length > PAGE) draw();
})();
