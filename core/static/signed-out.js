// Goes on as soon as every site was told (the frames are part of the page's load); without script, after a few seconds.
"use strict";

addEventListener("load", () => location.replace(document.getElementById("logout-continue").href));
