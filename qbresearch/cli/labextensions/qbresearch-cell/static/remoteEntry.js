// JupyterLab forgets the fragment of its own address when it starts, though it follows the same fragment in a link.
// This extension remembers it: /lab/tree/a.ipynb#cell-id=b opens a.ipynb with the cell b selected and in view.
// Written by hand in the form in which JupyterLab loads extensions, since it needs nothing from other packages.
(() => {
  const MOMENT = 250; // milliseconds between two looks
  const LOOKS = 240;
  const STILL = 4; // looks in a row
  const PATIENCE = 20; // looks after which what JupyterLab was asked for is asked for again
  const pause = () => new Promise(resolve => setTimeout(resolve, MOMENT));

  // The notebook in front, once it has its cells.
  async function notebook(app) {
    for (let look = 0; look < LOOKS; look++) {
      const panel = app.shell.currentWidget;
      if (panel && panel.content && panel.content.widgets && panel.context) {
        await panel.context.ready;
        await panel.revealed;
        return panel.content;
      }
      await pause();
    }
    return null;
  }

  async function show(app, id) {
    await app.restored;
    const content = await notebook(app);
    const index = content ? content.widgets.findIndex(cell => cell.model.id === id) : -1;
    if (index < 0) {
      return;
    }
    // The other modes first draw the cells above, one at a time.
    content.notebookConfig = { ...content.notebookConfig, windowingMode: 'full' };
    content.activeCellIndex = index;
    // Cells above take on their height while they are drawn and push this one away: looked after until it stays.
    for (let look = 0, still = 0; look < LOOKS && still < STILL; look++) {
      const node = content.widgets[index].node;
      const [box, frame] = [node.getBoundingClientRect(), content.node.getBoundingClientRect()];
      const seen = node.isConnected && box.top >= frame.top - 1 && box.top < frame.top + frame.height / 2;
      still = seen ? still + 1 : 0;
      if (!seen && node.isConnected) {
        node.scrollIntoView();
      } else if (!seen && look % PATIENCE === 0) {
        // Depending on its settings JupyterLab adds cells when it is idle, or only where one has scrolled to.
        content.scrollToItem(index, 'start').catch(() => undefined); // overtaken by another scroll
      }
      await pause();
    }
  }

  const plugin = {
    id: 'qbresearch-cell:plugin',
    autoStart: true,
    activate: app => {
      if (id) {
        void show(app, id);
      }
    }
  };

  // Read at once: a moment later the address has no fragment any more.
  const [, id] = /^#cell-id=(.+)$/.exec(decodeURIComponent(window.location.hash)) || [];

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  const exported = { __esModule: true, default: plugin };
  window._JUPYTERLAB['qbresearch-cell'] = { init: () => undefined, get: () => Promise.resolve(() => exported) };
})();
