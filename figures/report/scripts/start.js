
// The choice bar, the address, the contents, light and dark, print
const show = () => {
  at("choice-language").value = state.lang;
  at("choice-method").value = state.method;
};
followers.unshift(show);
fill(at("choice-language"), languages.map((code) => [code, languageName(code)]));
fill(at("choice-method"), methods.map((method) => [method, label(method)]));
at("choice-language").addEventListener("change", (event) => choose({ lang: event.target.value, item: "" }));
at("choice-method").addEventListener("change", (event) => choose({ method: event.target.value }));
for (const link of document.querySelectorAll("[data-method]:not(tr)")) {
  link.addEventListener("click", () => choose({ method: link.dataset.method }));
}

const goTo = (section) => {
  const place = section && document.getElementById(section);
  if (place) place.scrollIntoView();
};
for (const title of document.querySelectorAll("section > h2")) {
  const link = make("a", title.textContent);
  const section = title.parentElement.id;
  link.href = `#at=${section}`;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    toAddress(section);
    goTo(section);
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  });
  document.querySelector("nav").append(link);
}
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("main").focus();
});
const arrive = () => {
  const section = fromAddress();
  drawItems.seek = true;
  for (const follow of followers) follow();
  goTo(section || (state.item && "items"));
};
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) arrive();
});

arrive();
