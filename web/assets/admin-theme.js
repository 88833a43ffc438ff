// Light or dark, before anything is painted: what was chosen here last, else what the visitor likes everywhere.
try {
  const chosen = localStorage.getItem("framehub-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // It is not remembered where a browser keeps nothing.
}
