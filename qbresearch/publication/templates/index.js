(() => {
  'use strict';
  const form = document.getElementById('filter');
  const table = document.getElementById('reports');
  const count = document.getElementById('count');
  const body = table.tBodies[0];
  const fold = text => text.normalize('NFKC').toLowerCase().replace(/\s+/g, '');
  const collator = new Intl.Collator('zh-Hans-CN', { numeric: true });
  const heads = [...table.tHead.rows[0].cells];
  const columns = heads.map(head => head.dataset.s);
  const fields = ['q', 'source', 'run', 'year', 'verdict'];
  const rows = [...body.rows].map((row, order) => {
    const cell = Object.fromEntries(columns.map((name, index) => [name, row.cells[index]]));
    const sort = Object.fromEntries(columns.map((name, index) => [name, row.cells[index].textContent]));
    sort.cv = parseFloat(sort.cv);
    return {
      row, order, sort,
      text: fold(cell.name.textContent) + ' ' + row.dataset.k,
      verdict: row.dataset.v,
      year: cell.year.textContent,
      source: cell.source.firstChild.nodeType === 3 ? cell.source.firstChild.data : '',
      run: cell.source.lastChild.textContent
    };
  });
  let sorting = '';

  const sortRows = () => {
    const [column, direction] = sorting.split('-');
    const sign = direction === 'desc' ? -1 : 1;
    const missing = value => value === '—' || value === '' || Number.isNaN(value);
    const compare = (a, b) => {
      const x = a.sort[column], y = b.sort[column];
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      return sign * (column === 'cv' ? x - y : collator.compare(x, y));
    };
    const sorted = column ? [...rows].sort((a, b) => compare(a, b) || a.order - b.order) : rows;
    body.append(...sorted.map(item => item.row));
    for (const head of heads) {
      head.removeAttribute('aria-sort');
      if (head.dataset.s === column) head.setAttribute('aria-sort', sign < 0 ? 'descending' : 'ascending');
    }
  };

  const filterRows = () => {
    const words = form.q.value.split(/\s+/).map(fold).filter(Boolean);
    let shown = 0;
    for (const item of rows) {
      const fits = ['source', 'run', 'year', 'verdict'].every(
        name => !form[name].value || item[name] === form[name].value
      ) && words.every(word => item.text.includes(word));
      item.row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown === rows.length ? `共 ${rows.length} 份报告` : `显示 ${shown} 份，共 ${rows.length} 份报告`;
    document.getElementById('empty').hidden = shown > 0 || rows.length === 0;
  };

  const remember = () => {
    const state = new URLSearchParams();
    for (const name of fields) if (form[name].value) state.set(name, form[name].value);
    if (sorting) state.set('sort', sorting);
    history.replaceState(null, '', state.size ? '#' + state : location.pathname + location.search);
  };

  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) form[name].value = state.get(name) || '';
    const wanted = state.get('sort') || '';
    sorting = columns.includes(wanted.split('-')[0]) ? wanted : '';
    sortRows();
    filterRows();
  };

  for (const head of heads) {
    const button = document.createElement('button');
    const paper = document.createElement('span');  // browsers leave buttons out of heads repeated on paper
    button.type = 'button';
    paper.className = 'paper';
    button.textContent = paper.textContent = head.textContent;
    head.replaceChildren(button, paper);
    button.addEventListener('click', () => {
      const ascending = head.getAttribute('aria-sort') === 'ascending';
      sorting = head.dataset.s + (ascending ? '-desc' : '-asc');
      sortRows();
      remember();
    });
  }
  let timer;
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => { filterRows(); remember(); }, 80);
  });
  form.addEventListener('submit', event => event.preventDefault());
  form.addEventListener('reset', () => setTimeout(() => { sorting = ''; sortRows(); filterRows(); remember(); }));
  addEventListener('hashchange', recall);
  form.hidden = false;
  if (location.hash.includes('=')) recall();
})();
