"use strict";
// Everything works without this: it filters while one types, copies, and follows a run as it goes on.
(function () {
  function filterAsYouType(input) {
    const rows = Array.from(document.querySelectorAll("#" + input.dataset.filter + " tbody tr"));
    const texts = rows.map((row) => (row.textContent + "\n" + row.dataset.also).toLowerCase());
    const count = document.getElementById("count");
    const said = count.textContent;
    const asked = input.value.trim().toLowerCase();
    input.addEventListener("input", () => {
      const same = input.value.trim().toLowerCase() === asked;
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, index) => {
        const fits = same || words.every((word) => texts[index].includes(word));
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent = same ? said : shown + " of the " + rows.length + " rows of this page fit. Enter looks among all.";
    });
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch (error) {
      const folded = source.closest("details");
      if (folded) folded.open = true;
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = button.dataset.label; }, 2500);
  }

  async function follow(element) {
    const bar = element.querySelector("progress");
    const words = element.querySelector("[data-words]");
    const before = element.dataset.status;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      let now;
      try {
        const answer = await fetch(element.dataset.follow, { headers: { Accept: "application/json" } });
        if (!answer.ok) continue;
        now = await answer.json();
      } catch (error) {
        continue;
      }
      if (now.status !== before) {
        location.reload();
        return;
      }
      words.textContent = now.words;
      if (bar && now.shards) {
        bar.max = now.shards;
        bar.value = now.ended;
      }
    }
  }

  document.querySelectorAll("input[data-filter]").forEach(filterAsYouType);
  document.querySelectorAll("button[data-copy]").forEach((button) => {
    button.hidden = false;
    button.dataset.label = button.textContent;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", () => copy(button));
  });
  document.querySelectorAll("[data-follow]").forEach(follow);
})();
