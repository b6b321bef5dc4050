// A job's page: its middle is asked for again until it has ended. Without this the page reloads by itself.
"use strict";
(() => {
  const wait = 1000;
  const again = async () => {
    const shown = document.getElementById("job");
    if (!shown || shown.dataset.underWay !== "yes") return;
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin", redirect: "error" });
      if (answer.ok) {
        const made = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("job");
        if (made) shown.replaceWith(document.adoptNode(made));
      }
    } catch {
      // signed out meanwhile, or the gateway restarts: the page says how to go on
      location.reload();
      return;
    }
    setTimeout(again, wait);
  };
  setTimeout(again, wait);
})();
