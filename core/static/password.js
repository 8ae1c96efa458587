// Shows what was typed into a password field, until its form is sent. The button is hidden in the page:
//   <button type="button" data-shows="id of the field" hidden><span>Show …</span><span hidden>Hide …</span></button>
"use strict";

for (const button of document.querySelectorAll("button[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  const show = (shown) => {
    if (shown === (field.type === "text")) return;
    field.type = shown ? "text" : "password";
    for (const words of button.children) words.hidden = !words.hidden;
  };
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false)); // so that the browser keeps it as a password, or not at all
  button.hidden = false;
}
