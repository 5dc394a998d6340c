// Puts a link to the same page in the other language into the menu bar.
// The books stand side by side, in folders named after their languages, with the same file names.
(() => {
    const here = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
    const other = {
        en: { folder: "zh", lang: "zh-CN", name: "中文", title: "本页的中文版" },
        zh: { folder: "en", lang: "en", name: "English", title: "This page in English" },
    }[here];
    const page = location.pathname.split("/").pop() || "index.html";
    const link = document.createElement("a");
    link.href = `../${other.folder}/${page}`;
    link.lang = link.hreflang = other.lang;
    link.textContent = other.name;
    link.title = other.title;
    link.className = "language";
    document.querySelector(".right-buttons")?.prepend(link);
})();
