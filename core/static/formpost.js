// Sends the one form of a response_mode=form_post page at once; without script its button does the same.
"use strict";

const form = document.querySelector("form[data-send-at-once]");
if (form) form.submit();
