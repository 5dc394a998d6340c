// On paper nobody can click: folded answers are opened for printing, and folded again afterwards.
(() => {
    let opened = [];
    addEventListener("beforeprint", () => {
        opened = [...document.querySelectorAll("details:not([open])")];
        for (const answer of opened) answer.open = true;
    });
    addEventListener("afterprint", () => {
        for (const answer of opened) answer.open = false;
        opened = [];
    });
})();
