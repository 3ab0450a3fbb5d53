// The box around a chart: a name for screen readers, and a chart as wide as the box.
// Plotly draws before its element is on the page, 700 pixels wide, and hears of the window only.

export default {
  render({ model, el }) {
    let box = null;
    let width = 0;
    let frame = 0;
    el.style.display = "none";

    const fit = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        tall();
        window.dispatchEvent(new Event("resize"));
      });
    };
    const tall = () => {
      const plot = box?.querySelector(".js-plotly-plot");
      if (plot) plot.style.height = `${model.get("height")}px`;
    };
    const observer = new ResizeObserver(() => {
      const now = box.clientWidth;
      if (now && now !== width) {
        width = now;
        fit();
      }
    });
    const drawn = (event) => {
      if (box?.contains(event.detail.element)) fit();
    };
    const scroll = () => {
      if (box) box.scrollTop = model.get("scroll_to");
    };
    const name = () => {
      if (!box) return;
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", model.get("label"));
    };
    const find = () => {
      box = el.closest(".syncsim-charts")?.querySelector(".syncsim-chart") ?? null;
      if (!box) {
        frame = requestAnimationFrame(find);
        return;
      }
      name();
      observer.observe(box);
      fit();
      model.set("is_on_page", true);
      model.save_changes();
    };

    model.on("change:label", name);
    model.on("change:height", tall);
    model.on("change:scroll_to", scroll);
    document.addEventListener("plotlywidget-after-render", drawn);
    find();
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      model.off("change:label", name);
      model.off("change:height", tall);
      model.off("change:scroll_to", scroll);
      document.removeEventListener("plotlywidget-after-render", drawn);
    };
  },
};
